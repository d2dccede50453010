typedef int vg_source_room; /* a folder's first file comes with its code */

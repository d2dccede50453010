typedef int vg_detect_room; /* a folder's first file comes with its code */

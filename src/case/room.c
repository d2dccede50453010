typedef int vg_case_room; /* a folder's first file comes with its code */

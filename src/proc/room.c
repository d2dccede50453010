typedef int vg_proc_room; /* a folder's first file comes with its code */

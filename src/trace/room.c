typedef int vg_trace_room; /* a folder's first file comes with its code */

typedef int vg_rule_room; /* a folder's first file comes with its code */

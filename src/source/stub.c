#include "source/format.h"
vg_rc vg_json_event(vg_str t, struct vg_event *e){(void)t;(void)e;return VG_E_UNSUP;}
vg_rc vg_kv_fields(vg_str t, char s, vg_str p, struct vg_event *e){(void)t;(void)s;(void)p;(void)e;return VG_E_UNSUP;}

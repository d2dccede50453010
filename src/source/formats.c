#include "source/formats.h"

/* In the order that a tie is decided in. */
const struct vg_format vg_formats[] = {
	{ NULL, NULL, NULL, VG_SPLIT_NONE, NULL },
};

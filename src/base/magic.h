/* base/magic.h - what a file of ours begins with: letters that say what it is, then digits that say of which version of it ("VGTAIL1\n").
 * A reader that meets a later version must say so: it is neither damage nor rubbish, and what is in it was acknowledged by somebody. */
#ifndef VG_BASE_MAGIC_H
#define VG_BASE_MAGIC_H

#include "base/rc.h"
#include "base/str.h"

/* Does @bytes begin with @magic?  VG_E_UNSUP: with the same letters and a greater number.  VG_E_FORMAT: with something else.  VG_E_TRUNC: it is
 * shorter, and the same as far as it goes. */
vg_rc vg_magic_check(vg_str bytes, vg_str magic) VG_MUST;

#endif

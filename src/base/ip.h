/* base/ip.h - addresses as 128 bits, v4 mapped into v6. */
#ifndef VG_BASE_IP_H
#define VG_BASE_IP_H

#include "base/str.h"

/* "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"; not "1.2.3.4/24".  false when it is none. */
bool vg_ip_parse(vg_str s, uint8_t out[16]);
/* "192.0.2.0/24": host bits are cleared, the prefix counts of 128.  An address alone is a network of one. */
bool vg_ip_network(vg_str s, uint8_t out[16], unsigned *bits);
/* Is @a inside? */
bool vg_ip_in(const uint8_t a[16], const uint8_t net[16], unsigned bits);

#endif

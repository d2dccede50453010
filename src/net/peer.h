/* net/peer.h - the address of who sends: 128 bits, v4 mapped into v6 (base/ip.h), and how it is printed. */
#ifndef VG_NET_PEER_H
#define VG_NET_PEER_H

#include "base/str.h"

#include <sys/socket.h>

#define VG_PEER_MAX 46 /* bytes of its text, NUL included */

/* false: neither IPv4 nor IPv6. */
bool vg_peer_of(const struct sockaddr_storage *a, uint8_t out[16]);
/* "192.0.2.7", also for a v4-mapped one; "2001:db8::1". */
vg_str vg_peer_print(const uint8_t ip[16], char out[VG_PEER_MAX]);

#endif

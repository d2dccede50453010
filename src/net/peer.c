#include "net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool
vg_peer_of(const struct sockaddr_storage *a, uint8_t out[16])
{
	if (a->ss_family == AF_INET) {
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
		return true;
	}
	if (a->ss_family != AF_INET6)
		return false;
	memcpy(out, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
	return true;
}

vg_str
vg_peer_print(const uint8_t ip[16], char out[VG_PEER_MAX])
{
	bool v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;

	return vg_str_of(inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + 12 : ip, out, VG_PEER_MAX));
}

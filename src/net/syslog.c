#include "net/syslog_impl.h"

static size_t
copy(char out[VG_SPEAKER_NAME_MAX], vg_str s)
{
	s = vg_str_cut(s, VG_SPEAKER_NAME_MAX);
	if (s.n)
		memcpy(out, s.p, s.n);
	return s.n;
}

void
vg_syslogd_init(struct vg_syslogd *l, const struct vg_syslogd_kind *kind, struct vg_loop *loop, const struct vg_gate *gate, int fd,
	       vg_str tenant, vg_str name)
{
	*l = (struct vg_syslogd){ .kind = kind, .loop = loop, .gate = gate, .fd = fd };
	l->ntenant = copy(l->tenant, tenant);
	l->nname = copy(l->name, name);
}

uint32_t
vg_syslogd_source(const struct vg_syslogd *l, const uint8_t ip[16], uint8_t proof, vg_str certificate)
{
	char text[VG_PEER_MAX];
	vg_str address = vg_peer_print(ip, text);
	struct vg_speaker s = { .tenant = vg_str_mem(l->tenant, l->ntenant), .name = certificate.n ? certificate : address,
				.address = address, .listener = vg_str_mem(l->name, l->nname), .proof = proof };

	return l->gate->source(l->gate->ctx, &s);
}

void
vg_syslogd_room(struct vg_syslogd *l)
{
	l->kind->room(l);
}

void
vg_syslogd_stop(struct vg_syslogd *l)
{
	if (l->stopping)
		return;
	l->stopping = true;
	l->kind->stop(l);
}

bool
vg_syslogd_done(const struct vg_syslogd *l)
{
	return l->stopping && l->kind->done(l);
}

const struct vg_syslogd_counts *
vg_syslogd_counts(const struct vg_syslogd *l)
{
	return &l->counts;
}

void
vg_syslogd_free(struct vg_syslogd *l)
{
	if (l)
		l->kind->free(l);
}

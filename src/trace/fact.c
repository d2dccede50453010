#include "trace/fact.h"

/* event.action, as packs write it (doc/packs.md). */
static const vg_str words[VG_FACT_KINDS] = {
	[VG_FACT_NONE] = VG_STR_INIT(""),
	[VG_FACT_SIGN_IN] = VG_STR_INIT("sign-in"),
	[VG_FACT_SIGN_IN_FAILED] = VG_STR_INIT("sign-in-failed"),
	[VG_FACT_SIGN_OUT] = VG_STR_INIT("sign-out"),
	[VG_FACT_EXPLICIT] = VG_STR_INIT("explicit-credentials"),
	[VG_FACT_TICKET] = VG_STR_INIT("kerberos-ticket"),
	[VG_FACT_VALIDATION] = VG_STR_INIT("credential-validation"),
	[VG_FACT_VPN_START] = VG_STR_INIT("vpn-start"),
	[VG_FACT_VPN_FAILED] = VG_STR_INIT("vpn-failed"),
	[VG_FACT_VPN_END] = VG_STR_INIT("vpn-end"),
	[VG_FACT_VPN_ADDRESS] = VG_STR_INIT("vpn-address"),
	[VG_FACT_PRIVILEGE] = VG_STR_INIT("privilege"),
	[VG_FACT_ACCOUNT_CREATED] = VG_STR_INIT("account-created"),
	[VG_FACT_ACCOUNT_CHANGED] = VG_STR_INIT("account-changed"),
	[VG_FACT_ACCOUNT_DELETED] = VG_STR_INIT("account-deleted"),
	[VG_FACT_GROUP_ADDED] = VG_STR_INIT("group-member-added"),
	[VG_FACT_LOG_CLEARED] = VG_STR_INIT("log-cleared"),
	[VG_FACT_LOGGING_STOPPED] = VG_STR_INIT("logging-stopped"),
	[VG_FACT_AUDIT_CHANGED] = VG_STR_INIT("audit-policy-changed"),
	[VG_FACT_SERVICE] = VG_STR_INIT("service-installed"),
	[VG_FACT_TASK] = VG_STR_INIT("task-created"),
};

const char *
vg_fact_name(enum vg_fact_kind k)
{
	return (unsigned)k < VG_FACT_KINDS ? words[k].p : "";
}

/* Sources write "-" for a value they do not have. */
static vg_str
value_of(const struct vg_event *e, enum vg_known_key key)
{
	vg_str s = vg_str_trim(vg_event_get(e, key));

	return s.n == 1 && s.p[0] == '-' ? VG_NIL : s;
}

static vg_str
first_of(vg_str a, vg_str b)
{
	return a.n ? a : b;
}

static vg_str
native(const struct vg_event *e, vg_str name)
{
	const struct vg_field *f = vg_event_find_name(e, name);

	return f ? vg_str_trim(f->value) : VG_NIL;
}

/* The account, service, task, log or group that @kind acts on. */
static vg_str
target_of(const struct vg_event *e, enum vg_fact_kind kind)
{
	switch (kind) {
	case VG_FACT_VPN_START:
	case VG_FACT_VPN_ADDRESS:
		return value_of(e, VG_K_SOURCE_NAT_IP);
	case VG_FACT_GROUP_ADDED:
		return first_of(value_of(e, VG_K_GROUP_NAME), value_of(e, VG_K_USER_TARGET_NAME));
	case VG_FACT_LOG_CLEARED:
	case VG_FACT_LOGGING_STOPPED:
		return first_of(first_of(value_of(e, VG_K_LOG_NAME), value_of(e, VG_K_FILE_PATH)), e->channel);
	case VG_FACT_SERVICE:
		return first_of(value_of(e, VG_K_SERVICE_NAME), native(e, VG_STR("ServiceName")));
	case VG_FACT_TASK:
		return first_of(native(e, VG_STR("TaskName")),
				first_of(value_of(e, VG_K_SERVICE_NAME), value_of(e, VG_K_FILE_PATH)));
	case VG_FACT_TICKET:
		return first_of(value_of(e, VG_K_SERVICE_NAME), native(e, VG_STR("ServiceName")));
	case VG_FACT_PRIVILEGE:
		return first_of(value_of(e, VG_K_USER_EFFECTIVE), value_of(e, VG_K_USER_TARGET_NAME));
	default:
		return value_of(e, VG_K_USER_TARGET_NAME);
	}
}

void
vg_fact_of(const struct vg_event *e, struct vg_fact *out)
{
	vg_str action = vg_event_get(e, VG_K_EV_ACTION);
	uint64_t number;

	*out = (struct vg_fact){ .kind = VG_FACT_NONE };
	if (action.n == 0)
		return;
	for (unsigned k = VG_FACT_NONE + 1; k < VG_FACT_KINDS; k++) {
		if (vg_str_eq(action, words[k])) {
			out->kind = (uint8_t)k;
			break;
		}
	}
	if (out->kind == VG_FACT_NONE)
		return;
	out->failed = vg_str_eq(vg_event_get(e, VG_K_EV_OUTCOME), VG_STR("failure"));
	if (vg_str_u64(value_of(e, VG_K_LOGON_TYPE), &number) && number <= UINT16_MAX)
		out->logon_type = (uint16_t)number;
	out->time_ns = e->time_ns;
	out->host = first_of(e->host, value_of(e, VG_K_HOST_NAME));
	out->channel = e->channel;
	out->user = value_of(e, VG_K_USER_NAME);
	out->domain = value_of(e, VG_K_USER_DOMAIN);
	out->target = target_of(e, (enum vg_fact_kind)out->kind);
	if (out->kind == VG_FACT_GROUP_ADDED)
		out->member = value_of(e, VG_K_USER_TARGET_NAME);
	out->source_ip = value_of(e, VG_K_SOURCE_IP);
	out->source_host = value_of(e, VG_K_SOURCE_DOMAIN);
	out->session = value_of(e, VG_K_SESSION_ID);
	out->method = value_of(e, VG_K_AUTH_METHOD);
}

/* The texts of a fact, in the order of their bits. */
#define TEXTS 10
static void
texts_of(struct vg_fact *f, vg_str *out[TEXTS])
{
	vg_str *t[TEXTS] = { &f->host, &f->channel, &f->user, &f->domain, &f->target,
			     &f->member, &f->source_ip, &f->source_host, &f->session, &f->method };

	memcpy(out, t, sizeof(t));
}

void
vg_fact_encode(struct vg_buf *b, const struct vg_fact *f)
{
	struct vg_fact copy = *f;
	vg_str *t[TEXTS];
	unsigned mask = 0;

	texts_of(&copy, t);
	for (unsigned i = 0; i < TEXTS; i++)
		if (t[i]->n)
			mask |= 1u << i;
	vg_buf_u8(b, f->kind);
	vg_buf_u8(b, f->failed);
	vg_buf_le16(b, f->logon_type);
	vg_buf_le64(b, (uint64_t)f->time_ns);
	vg_buf_le16(b, (uint16_t)mask);
	for (unsigned i = 0; i < TEXTS; i++) {
		vg_str s = vg_str_cut(*t[i], VG_FACT_TEXT_MAX);

		if (s.n) {
			vg_buf_le16(b, (uint16_t)s.n);
			vg_buf_put(b, s);
		}
	}
}

vg_rc
vg_fact_decode(struct vg_cur *in, struct vg_fact *out)
{
	struct vg_fact f = { .kind = vg_cur_u8(in) };
	uint8_t failed = vg_cur_u8(in);
	vg_str *t[TEXTS];
	unsigned mask;

	f.failed = failed != 0;
	f.logon_type = vg_cur_le16(in);
	f.time_ns = (int64_t)vg_cur_le64(in);
	mask = vg_cur_le16(in);
	if (in->rc == VG_OK && (f.kind >= VG_FACT_KINDS || failed > 1 || mask >> TEXTS))
		return vg_cur_fail(in, VG_E_FORMAT);
	texts_of(&f, t);
	for (unsigned i = 0; i < TEXTS; i++) {
		if (mask & 1u << i) {
			size_t n = vg_cur_le16(in);

			if (n == 0 || n > VG_FACT_TEXT_MAX) /* an empty text has no bit */
				return vg_cur_fail(in, VG_E_FORMAT);
			*t[i] = vg_cur_bytes(in, n);
		}
	}
	if (in->rc == VG_OK)
		*out = f;
	return in->rc;
}

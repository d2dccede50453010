#include "trace/path.h"

vg_str
vg_account_name(vg_str account)
{
	for (size_t i = account.n; i > 0; i--)
		if (account.p[i - 1] == '\\')
			return vg_str_skip(account, i);
	return account;
}

/* "DWM-3" for "DWM-". */
static bool
is_numbered(vg_str s, vg_str prefix)
{
	if (!vg_str_istarts(s, prefix) || s.n == prefix.n)
		return false;
	for (size_t i = prefix.n; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

bool
vg_account_is_person(vg_str account, vg_str domain)
{
	static const vg_str not_person[] = {
		VG_STR_INIT("-"), VG_STR_INIT("SYSTEM"), VG_STR_INIT("LOCAL SERVICE"), VG_STR_INIT("NETWORK SERVICE"),
		VG_STR_INIT("ANONYMOUS LOGON"), VG_STR_INIT("ANONYMOUS"), VG_STR_INIT("IUSR"), VG_STR_INIT("krbtgt"),
		VG_STR_INIT("Syst\xc3\xa8me"), VG_STR_INIT("SERVICE LOCAL"), VG_STR_INIT("SERVICE R\xc3\x89SEAU"),
		VG_STR_INIT("SERVICE R\xc3\xa9seau"), VG_STR_INIT("LOGON ANONYME"),
		VG_STR_INIT("LOKALER DIENST"), VG_STR_INIT("NETZWERKDIENST"), VG_STR_INIT("ANONYMOUS-ANMELDUNG"),
		VG_STR_INIT("S-1-5-18"), VG_STR_INIT("S-1-5-19"), VG_STR_INIT("S-1-5-20"), VG_STR_INIT("S-1-0-0"),
	};
	static const vg_str not_domain[] = {
		VG_STR_INIT("NT AUTHORITY"), VG_STR_INIT("AUTORITE NT"), VG_STR_INIT("AUTORIT\xc3\x89 NT"),
		VG_STR_INIT("NT-AUTORIT\xc3\x84T"), VG_STR_INIT("NT-AUTORIT\xc3\xa4T"),
		VG_STR_INIT("Window Manager"), VG_STR_INIT("Font Driver Host"), VG_STR_INIT("NT SERVICE"),
	};

	if (account.n == 0 || account.p[account.n - 1] == '$')
		return false;
	for (size_t i = 0; i < VG_COUNT(not_person); i++)
		if (vg_str_ieq(account, not_person[i]))
			return false;
	for (size_t i = 0; i < VG_COUNT(not_domain); i++)
		if (vg_str_ieq(domain, not_domain[i]))
			return false;
	return !is_numbered(account, VG_STR("DWM-")) && !is_numbered(account, VG_STR("UMFD-"));
}

vg_str
vg_source_ip(vg_str s)
{
	static const vg_str nowhere[] = {
		VG_STR_INIT("-"), VG_STR_INIT("::1"), VG_STR_INIT("::"), VG_STR_INIT("0.0.0.0"),
		VG_STR_INIT("0:0:0:0:0:0:0:1"), VG_STR_INIT("LOCAL"),
	};

	s = vg_str_trim(s);
	if (vg_str_istarts(s, VG_STR("::ffff:")) && vg_str_chr(s, '.') != VG_NPOS)
		s = vg_str_skip(s, 7);
	for (size_t i = 0; i < VG_COUNT(nowhere); i++)
		if (vg_str_ieq(s, nowhere[i]))
			return VG_NIL;
	return vg_str_starts(s, VG_STR("127.")) ? VG_NIL : s;
}

vg_str
vg_source_host(vg_str s)
{
	s = vg_str_trim(s);
	while (vg_str_starts(s, VG_STR("\\")))
		s = vg_str_skip(s, 1);
	return vg_str_ieq(s, VG_STR("localhost")) ? VG_NIL : vg_source_ip(s);
}

bool
vg_same_machine(vg_str name, vg_str host)
{
	vg_str shorter = name.n < host.n ? name : host, longer = name.n < host.n ? host : name;

	return shorter.n && vg_str_istarts(longer, shorter) && (longer.n == shorter.n || longer.p[shorter.n] == '.');
}

vg_str
vg_fact_account(const struct vg_fact *f)
{
	vg_str a = vg_account_name(f->kind == VG_FACT_EXPLICIT && f->target.n ? f->target : f->user);

	if (f->kind == VG_FACT_TICKET) /* "bob@CORP.LOCAL" */
		a = vg_str_cut(a, vg_str_chr(a, '@'));
	return a;
}

vg_str
vg_fact_path_host(const struct vg_fact *f)
{
	vg_str service = f->target;

	if (f->host.n == 0 && (f->kind == VG_FACT_VPN_START || f->kind == VG_FACT_VPN_FAILED))
		return f->method.n ? f->method : f->channel;
	if (f->kind != VG_FACT_TICKET || f->failed)
		return f->host;
	/* A ticket for the service of a machine (SRV01$) is a step to that machine, whether or not its own log is
	 * left; one for krbtgt is only the beginning of a session. */
	if (service.n > 1 && service.p[service.n - 1] == '$')
		return vg_str_cut(service, service.n - 1);
	return VG_NIL;
}

static const char *
via_logon_type(unsigned type)
{
	switch (type) {
	case 2:
	case 11:
	case 13:
		return "interactive";
	case 3:
		return "network";
	case 4:
		return "batch";
	case 5:
		return "service";
	case 7:
		return "unlock";
	case 8:
		return "cleartext";
	case 9:
		return "new-credentials";
	case 10:
	case 12:
		return "rdp";
	default:
		return NULL;
	}
}

const char *
vg_fact_via(const struct vg_fact *f)
{
	const char *via;

	switch ((enum vg_fact_kind)f->kind) {
	case VG_FACT_VPN_START:
	case VG_FACT_VPN_FAILED:
		return "vpn";
	case VG_FACT_EXPLICIT:
		return "run-as";
	case VG_FACT_TICKET:
		return "kerberos";
	case VG_FACT_VALIDATION:
		return "ntlm";
	case VG_FACT_SIGN_IN:
	case VG_FACT_SIGN_IN_FAILED:
		break;
	default:
		return NULL;
	}
	if ((via = via_logon_type(f->logon_type)) != NULL)
		return via;
	if (vg_str_ifind(f->channel, VG_STR("TerminalServices")) != VG_NPOS)
		return "rdp";
	if (vg_str_ifind(f->channel, VG_STR("sshd")) != VG_NPOS || vg_str_ieq(f->method, VG_STR("publickey")))
		return "ssh";
	if (vg_str_ieq(f->channel, VG_STR("su")) || vg_str_ieq(f->channel, VG_STR("sudo")))
		return "sudo";
	if (vg_str_ieq(f->channel, VG_STR("wtmp")) || vg_str_ieq(f->channel, VG_STR("btmp")) ||
	    vg_str_ieq(f->channel, VG_STR("login")))
		return "terminal";
	return "sign-in";
}

bool
vg_fact_is_local(const struct vg_fact *f)
{
	if (vg_source_ip(f->source_ip).n || vg_source_host(f->source_host).n)
		return false;
	switch (f->logon_type) {
	case 2:
	case 4:
	case 5:
	case 7:
	case 11:
	case 13:
		return true;
	default:
		return f->source_ip.n != 0 || f->source_host.n != 0 || f->kind == VG_FACT_EXPLICIT; /* loopback */
	}
}

/* trace/path.h - who is a person, where a sign-in came from, and how: what turns a fact into a path. */
#ifndef VG_TRACE_PATH_H
#define VG_TRACE_PATH_H

#include "trace/fact.h"

/* "CORP\bob" -> "bob"; others as they are. */
vg_str vg_account_name(vg_str account);
/* Not the machine (name$), not what Windows runs itself as (SYSTEM, LOCAL SERVICE, DWM-1, UMFD-0, ANONYMOUS LOGON, in
 * English, French or German), not empty. */
bool vg_account_is_person(vg_str account, vg_str domain);
/* An address worth naming: "::ffff:" cut off; empty for "-", loopback and the unspecified address. */
vg_str vg_source_ip(vg_str s);
/* A source's host name: "\\" before it cut off; empty for "-", "localhost" and what is an address that says nothing. */
vg_str vg_source_host(vg_str s);
/* Do @name and @host name one machine: alike, or one is the other without its domain? */
bool vg_same_machine(vg_str name, vg_str host);
/* The account that the fact is about: who signs in, or whose credentials were used. */
vg_str vg_fact_account(const struct vg_fact *f);
/* The host that a sign-in leads to: of a VPN whose log names none, the product.  Empty when it leads nowhere. */
vg_str vg_fact_path_host(const struct vg_fact *f);
/* "vpn", "rdp", "ssh", "network", "interactive", "service"...; NULL when the fact is no sign-in. */
const char *vg_fact_via(const struct vg_fact *f);
/* Did it happen on the host itself: console, service, batch, loopback? */
bool vg_fact_is_local(const struct vg_fact *f);

#endif

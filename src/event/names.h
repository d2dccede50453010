/* event/names.h - the names that C code reads by number.  One row a name; vg_keys gives them the keys
 * 0..VG_K_KNOWN-1 in this order, before any name of a rule or a pack.  Native Windows names are those of
 * Sigma; the dotted ones are those of the Elastic Common Schema (ECS). */
#ifndef VG_EVENT_NAMES_H
#define VG_EVENT_NAMES_H

#define VG_NAMES(X)                                    \
	/* Windows, as Sigma names them */             \
	X(EVENT_ID, "EventID")                         \
	X(CHANNEL, "Channel")                          \
	X(PROVIDER, "Provider_Name")                   \
	X(COMPUTER, "Computer")                        \
	X(RECORD_ID, "EventRecordID")                  \
	X(EVENT_TYPE, "EventType")                     \
	/* ECS */                                      \
	X(TIMESTAMP, "@timestamp")                     \
	X(MESSAGE, "message")                          \
	X(EV_ACTION, "event.action")                   \
	X(EV_OUTCOME, "event.outcome")                 \
	X(EV_CATEGORY, "event.category")               \
	X(EV_CODE, "event.code")                       \
	X(EV_REASON, "event.reason")                   \
	X(HOST_NAME, "host.name")                      \
	X(USER_NAME, "user.name")                      \
	X(USER_DOMAIN, "user.domain")                  \
	X(USER_ID, "user.id")                          \
	X(USER_TARGET_NAME, "user.target.name")        \
	X(USER_TARGET_DOMAIN, "user.target.domain")    \
	X(USER_EFFECTIVE, "user.effective.name")       \
	X(GROUP_NAME, "group.name")                    \
	X(SOURCE_IP, "source.ip")                      \
	X(SOURCE_NAT_IP, "source.nat.ip") /* the address that a VPN gave */ \
	X(SOURCE_PORT, "source.port")                  \
	X(SOURCE_DOMAIN, "source.domain") /* a host name */ \
	X(DEST_IP, "destination.ip")                   \
	X(DEST_PORT, "destination.port")               \
	X(DEST_DOMAIN, "destination.domain")           \
	X(SESSION_ID, "session.id") /* LogonId, sshd's pid, VPN session */ \
	X(LOGON_TYPE, "logon.type") /* 2 interactive, 3 network, 10 RDP... (Windows numbers) */ \
	X(AUTH_METHOD, "auth.method")                  \
	X(PROCESS_NAME, "process.name")                \
	X(PROCESS_PID, "process.pid")                  \
	X(PROCESS_EXE, "process.executable")           \
	X(PROCESS_CMDLINE, "process.command_line")     \
	X(SERVICE_NAME, "service.name")                \
	X(FILE_PATH, "file.path")                      \
	X(LOG_NAME, "log.name") /* the log an event speaks of: which one was cleared */

enum vg_known_key {
#define X(id, text) VG_K_##id,
	VG_NAMES(X)
#undef X
	VG_K_KNOWN
};

#endif

#include "settings/table.h"

#include "base/time.h"

#define AT(field) offsetof(struct vg_settings, field)
#define IN(type, field) offsetof(struct type, field)
#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define TIB ((uint64_t)1 << 40)
#define MS (VG_SEC / 1000)
#define KINDS "by-name syslog syslog-tls https witness metrics"

#define GROUP(k, en, fr) { .key = k, .type = VG_SET_GROUP, .text = { en, fr } }
#define MAP_OF(k, f, where, type_, std, en, fr) \
	{ .key = k, .type = VG_SET_OBJECT, .flags = f, .standard = std, .at = where, .size = sizeof(struct type_), .text = { en, fr } }
#define VALUE(k, t, f, lo, hi, w, std, where, en, fr) \
	{ .key = k, .type = t, .flags = f, .min = lo, .max = hi, .words = w, .standard = std, .at = where, .text = { en, fr } }
#define RETENTION(k, std, where, en, fr)                                                                                         \
	{ .key = k, .type = VG_SET_DURATION, .min = (uint64_t)VG_DAY, .max = (uint64_t)(3650 * VG_DAY), .standard = std, .at = where, \
	  .size = sizeof(struct vg_class_retention), .text = { en, fr } }
#define BOOL(k, std, where, en, fr) VALUE(k, VG_SET_BOOL, 0, 0, 0, NULL, std, where, en, fr)
#define TEXT(k, t, f, std, where, en, fr) VALUE(k, t, f, 0, VG_SETTINGS_TEXT_MAX, NULL, std, where, en, fr)
#define MEMORY(role, ROLE, std)                                                                                              \
	VALUE("limits.memory." role, VG_SET_SIZE, 0, 16 * MIB, TIB, NULL, std, AT(limits.memory_bytes[VG_MEMORY_##ROLE]), \
	      "Of each " role " process.", "De chaque processus " role ".")

/* In the order of the example file and of the manual page.  A group stands before what is in it. */
const struct vg_setting vg_setting_rows[] = {
	VALUE("language", VG_SET_WORD, 0, 0, 0, "en fr", "en", AT(language), "Language of reports, alarms and tasks.",
	      "Langue des rapports, des alarmes et des tâches."),

	GROUP("node", "This machine.", "Cette machine."),
	TEXT("node.name", VG_SET_NAME, 0, "", AT(node.name), "Its name in checkpoints and alarms. Empty: the host's name.",
	     "Son nom dans les points de contrôle et les alarmes. Vide : le nom de l’hôte."),

	GROUP("listen", "Where logs are received, and what is published. Those named here stand beside the default ones; \"off\" ends one.",
	      "Où les journaux sont reçus, et ce qui est publié. Ceux nommés ici s’ajoutent à ceux par défaut ; « off » en arrête un."),
	MAP_OF("listen.*", 0, AT(listen), vg_listener,
	       "syslog=127.0.0.1:5514 syslog-tls=127.0.0.1:6514 https=127.0.0.1:9200 witness=127.0.0.1:9443 metrics=127.0.0.1:9464",
	       "One listener: its address, or a map of these.", "Un point d’écoute : son adresse, ou ces réglages."),
	VALUE("listen.*.kind", VG_SET_WORD, 0, 0, 0, KINDS, "by-name", IN(vg_listener, kind),
	      "syslog is UDP and TCP; witness is what a witness pulls; metrics is for Prometheus. by-name: the listener is named as its kind.",
	      "syslog : UDP et TCP ; witness : ce qu’un témoin vient chercher ; metrics : pour Prometheus. by-name : le nom du point "
	      "d’écoute est son genre."),
	VALUE("listen.*.address", VG_SET_ADDRESS, VG_SET_SHORT | VG_SET_OFF, 0, 0, NULL, NULL, IN(vg_listener, address),
	      "Where it listens: 0.0.0.0:5514 for all networks, 127.0.0.1:5514 for this machine alone.",
	      "Où il écoute : 0.0.0.0:5514 pour tous les réseaux, 127.0.0.1:5514 pour cette seule machine."),
	TEXT("listen.*.tenant", VG_SET_NAME, 0, "", IN(vg_listener, tenant),
	     "Whose logs come in here. Empty: of the only tenant, or of the one that the sender's key or certificate names.",
	     "À qui sont les journaux reçus ici. Vide : au seul locataire, ou à celui que nomme la clé ou le certificat de l’émetteur."),
	TEXT("listen.*.certificate", VG_SET_PATH, 0, "", IN(vg_listener, certificate),
	     "Certificate chain, PEM. Empty: a self-signed one is made and kept.",
	     "Chaîne de certificats, PEM. Vide : un certificat auto-signé est créé et gardé."),
	TEXT("listen.*.key", VG_SET_PATH, 0, "", IN(vg_listener, key), "Private key of the certificate, PEM.",
	     "Clé privée du certificat, PEM."),
	TEXT("listen.*.client-ca", VG_SET_PATH, 0, "", IN(vg_listener, client_ca),
	     "CA certificates, PEM, that may sign a client's certificate; the certificate then proves the source's name.",
	     "Certificats d’AC, PEM, qui peuvent signer celui d’un client ; ce certificat prouve alors le nom de la source."),
	BOOL("listen.*.require-client-certificate", "no", IN(vg_listener, require_client_certificate),
	     "Refuse who shows no certificate of client-ca.", "Refuser qui ne montre pas un certificat de client-ca."),
	BOOL("listen.*.plain", "no", IN(vg_listener, plain),
	     "https only: HTTP without TLS, for a proxy in front of it. Keys then cross the network in clear.",
	     "https seulement : HTTP sans TLS, derrière un mandataire. Les clés passent alors en clair sur le réseau."),

	GROUP("tenants", "The companies that are watched. The first one named takes the place of the default one.",
	      "Les sociétés surveillées. La première nommée remplace celle par défaut."),
	MAP_OF("tenants.*", VG_SET_REPLACE, AT(tenants), vg_tenant, "default=", "One company: its title, or a map of these.",
	       "Une société : son titre, ou ces réglages."),
	TEXT("tenants.*.title", VG_SET_TEXT, VG_SET_SHORT, "", IN(vg_tenant, title), "Its name in reports.", "Son nom dans les rapports."),
	GROUP("tenants.*.retention", "How long its records are kept, where that differs from vault.retention.",
	      "Combien de temps ses enregistrements sont gardés, si cela diffère de vault.retention."),
	RETENTION("tenants.*.retention.*", "", IN(vg_tenant, retention), "For a class of sources; \"default\" is for all others.",
		  "Pour une classe de sources ; « default » vaut pour toutes les autres."),
	TEXT("tenants.*.retention-reason", VG_SET_TEXT, 0, "", IN(vg_tenant, retention_reason),
	     "Why records are kept longer than 365 days; the register of processing says the same.",
	     "Pourquoi des enregistrements sont gardés plus de 365 jours ; le registre des traitements dit la même chose."),
	TEXT("tenants.*.recovery-key", VG_SET_RECOVERY, 0, "", IN(vg_tenant, recovery_key),
	     "Public recovery key of the company, for which the tenant's key is wrapped when it is made, and from then on. Empty: that of this watch.",
	     "Clé publique de secours de la société, pour laquelle la clé du locataire est scellée à sa création, et pour toujours. Vide : celle de cette veille."),

	GROUP("sources", "Who sends logs. The first set that matches counts.", "Qui envoie des journaux. Le premier ensemble qui convient compte."),
	MAP_OF("sources.*", VG_SET_FREE, AT(sources), vg_source_set, "", "A set of sources: its class, or a map of these.",
	       "Un ensemble de sources : sa classe, ou ces réglages."),
	TEXT("sources.*.match", VG_SET_PATTERN, VG_SET_LIST, "", IN(vg_source_set, match), "Which ones. Empty: those that the set's own name matches.",
	     "Lesquelles. Vide : celles que désigne le nom de l’ensemble."),
	TEXT("sources.*.tenant", VG_SET_NAME, 0, "", IN(vg_source_set, tenant), "Only those of this tenant.", "Seulement celles de ce locataire."),
	TEXT("sources.*.class", VG_SET_NAME, VG_SET_SHORT, "", IN(vg_source_set, class),
	     "Their class, a word of your own; retention goes by it. Empty: \"default\".",
	     "Leur classe, un mot de votre choix ; la durée de conservation en dépend. Vide : « default »."),
	BOOL("sources.*.adopted", "yes", IN(vg_source_set, adopted), "Known and wanted: not kept apart as a new sender.",
	     "Connues et voulues : pas mises à part comme nouveaux émetteurs."),
	VALUE("sources.*.share", VG_SET_PERCENT, 0, 0, 100, NULL, "0 %", IN(vg_source_set, share),
	      "How much of the disk each of them may fill. 0: vault.share.", "Quelle part du disque chacune peut remplir. 0 : vault.share."),

	GROUP("local", "This machine's own logs.", "Les journaux de cette machine."),
	BOOL("local.journal", "yes", AT(local.journal), "Read the systemd journal.", "Lire le journal de systemd."),
	TEXT("local.files", VG_SET_PATH, VG_SET_LIST, "/var/log/*.log /var/log/*/*.log", AT(local.files),
	     "Files to follow, with * and ?; what may not be read is told by `vigie status`.",
	     "Fichiers à suivre, avec * et ? ; `vigie status` dit lesquels ne peuvent être lus."),
	TEXT("local.tenant", VG_SET_NAME, 0, "", AT(local.tenant), "Whose they are. Empty: of the only tenant.",
	     "À qui ils sont. Vide : au seul locataire."),

	GROUP("packs", "What is known of products' logs.", "Ce qui est connu des journaux des produits."),
	TEXT("packs.folders", VG_SET_PATH, VG_SET_LIST, "", AT(packs.folders), "Folders of packs besides ours.",
	     "Dossiers de packs en plus des nôtres."),

	GROUP("rules", "What is looked for.", "Ce qui est recherché."),
	TEXT("rules.folders", VG_SET_PATH, VG_SET_LIST, "", AT(rules.folders), "Folders of Sigma rules besides ours and the SigmaHQ trees found.",
	     "Dossiers de règles Sigma en plus des nôtres et des arbres SigmaHQ trouvés."),
	BOOL("rules.only", "no", AT(rules.only), "Only the rules of rules.folders.", "Seulement les règles de rules.folders."),
	TEXT("rules.exceptions", VG_SET_PATH, 0, "", AT(rules.exceptions),
	     "Folder of exceptions: Sigma filters with author, reason and expiry. Empty: exceptions/ in the state folder.",
	     "Dossier des exceptions : filtres Sigma avec auteur, raison et échéance. Vide : exceptions/ dans le dossier d’état."),
	TEXT("rules.indicators", VG_SET_PATH, 0, "", AT(rules.indicators),
	     "Folder of indicators (CSV, MISP JSON, STIX 2.1), watched. Empty: indicators/ in the state folder.",
	     "Dossier des indicateurs (CSV, MISP JSON, STIX 2.1), surveillé. Vide : indicators/ dans le dossier d’état."),
	VALUE("rules.indicator-level", VG_SET_WORD, 0, 0, 0, "informational low medium high critical", "high", AT(rules.indicator_level),
	      "Level of the signal when an indicator is met.", "Niveau du signal quand un indicateur est rencontré."),

	GROUP("vault", "The evidence.", "Les preuves."),
	VALUE("vault.checkpoint-every", VG_SET_DURATION, 0, (uint64_t)VG_SEC, (uint64_t)VG_HOUR, NULL, "10 s", AT(vault.checkpoint_every_ns),
	      "A checkpoint is signed this often, also when nothing came.", "Un point de contrôle est signé à ce rythme, même si rien n’est venu."),
	VALUE("vault.checkpoint-records", VG_SET_INTEGER, 0, 1024, 16777216, NULL, "65536", AT(vault.checkpoint_records),
	      "And after so many records.", "Et après ce nombre d’enregistrements."),
	VALUE("vault.sync-every", VG_SET_DURATION, 0, (uint64_t)MS, (uint64_t)VG_SEC, NULL, "10 ms", AT(vault.sync_every_ns),
	      "How long a record waits at most until it is synced and acknowledged.",
	      "Attente maximale d’un enregistrement avant d’être sur le disque et accusé."),
	VALUE("vault.sync-size", VG_SET_SIZE, 0, 4 * KIB, 4 * MIB, NULL, "256 KiB", AT(vault.sync_bytes), "And after so many bytes.",
	      "Et après ce nombre d’octets."),
	VALUE("vault.compression", VG_SET_INTEGER, 0, 1, 19, NULL, "6", AT(vault.compression), "Level of zstd: higher is smaller and slower.",
	      "Niveau de zstd : plus haut, plus petit et plus lent."),
	GROUP("vault.retention", "How long records are kept, by class of source.", "Combien de temps les enregistrements sont gardés, par classe de source."),
	RETENTION("vault.retention.*", "default=365d", AT(vault.retention), "For a class of sources; \"default\" is for all others.",
		  "Pour une classe de sources ; « default » vaut pour toutes les autres."),
	TEXT("vault.retention-reason", VG_SET_TEXT, 0, "", AT(vault.retention_reason),
	     "Why records are kept longer than 365 days; the register of processing says the same.",
	     "Pourquoi des enregistrements sont gardés plus de 365 jours ; le registre des traitements dit la même chose."),
	VALUE("vault.notice", VG_SET_DURATION, 0, (uint64_t)VG_DAY, (uint64_t)(90 * VG_DAY), NULL, "7 d", AT(vault.notice_ns),
	      "So long before records are destroyed it is announced, in the vault itself and at its witness; `vigie hold set` keeps them.",
	      "Ce temps avant leur destruction, elle est annoncée, dans le coffre même et chez son témoin ; `vigie hold set` les garde."),
	VALUE("vault.keep-free", VG_SET_SIZE, 0, 16 * MIB, TIB, NULL, "1 GiB", AT(vault.keep_free_bytes),
	      "What stays free of the disk; below it senders are told to wait.",
	      "Ce qui reste libre sur le disque ; en dessous, les émetteurs doivent attendre."),
	VALUE("vault.share", VG_SET_PERCENT, 0, 1, 100, NULL, "25 %", AT(vault.share),
	      "How much of the disk one source may fill; over it a flood displaces its own newest records.",
	      "Quelle part du disque une source peut remplir ; au-delà, un flot remplace ses propres enregistrements récents."),
	VALUE("vault.field-cache", VG_SET_PERCENT, 0, 0, 100, NULL, "2 %", AT(vault.field_cache),
	      "How much of a tenant's records in bytes `vigie vault redecode` may keep of decoded fields, which makes searches by field faster. 0: nothing.",
	      "Ce que `vigie vault redecode` peut garder des champs décodés, en part des octets d’un locataire ; les recherches par champ en sont plus rapides. 0 : rien."),

	GROUP("detect", "Rules over events.", "Les règles sur les événements."),
	VALUE("detect.processes", VG_SET_INTEGER, VG_SET_AUTO, 1, 256, NULL, "auto", AT(detect.processes),
	      "How many decode and match. auto: one less than the processors.", "Combien décodent et comparent. auto : un de moins que les processeurs."),
	VALUE("detect.cache", VG_SET_SIZE, 0, MIB, 4 * GIB, NULL, "32 MiB", AT(detect.cache_bytes), "For results of repeated values, each process.",
	      "Pour les résultats des valeurs répétées, par processus."),

	GROUP("trace", "What remembers.", "Ce qui se souvient."),
	VALUE("trace.late-wait", VG_SET_DURATION, 0, 0, (uint64_t)VG_DAY, NULL, "15 min", AT(trace.late_wait_ns), "How long a window waits for late hits.",
	      "Combien de temps une fenêtre attend les retardataires."),
	VALUE("trace.keep-hits", VG_SET_DURATION, 0, (uint64_t)VG_DAY, (uint64_t)(3650 * VG_DAY), NULL, "35 d", AT(trace.keep_hits_ns),
	      "How long hits of rules are kept for windows that are run again.",
	      "Combien de temps les touches des règles sont gardées pour rejouer une fenêtre."),

	GROUP("stamps", "Time stamps by another's clock (RFC 3161).", "Horodatage par l’horloge d’un tiers (RFC 3161)."),
	VALUE("stamps.url", VG_SET_URL, 0, 0, VG_SETTINGS_TEXT_MAX, "http:// https://", "", AT(stamps.url), "The authority. Empty: no time stamps.",
	      "L’autorité. Vide : pas d’horodatage."),
	TEXT("stamps.ca", VG_SET_PATH, 0, "", AT(stamps.ca), "CA certificate, PEM, that its tokens must chain to.",
	     "Certificat de l’AC, PEM, auquel ses jetons doivent remonter."),
	TEXT("stamps.policy", VG_SET_OID, 0, "", AT(stamps.policy), "Policy that a token must name. Empty: any.",
	     "Politique que le jeton doit nommer. Vide : toutes."),
	VALUE("stamps.every", VG_SET_DURATION, 0, (uint64_t)VG_MIN, (uint64_t)(31 * VG_DAY), NULL, "1 d", AT(stamps.every_ns), "How often.", "À quel rythme."),

	GROUP("witness", "The daemon on another machine that keeps a copy.", "Le démon sur une autre machine qui garde une copie."),
	VALUE("witness.token", VG_SET_SECRET, 0, VG_SETTINGS_TOKEN_MIN, 512, NULL, "", AT(witness.token),
	      "Secret that a witness shows to pull. Empty: only this machine may pull.",
	      "Secret que montre le témoin pour copier. Vide : seule cette machine le peut."),
	VALUE("witness.urls", VG_SET_URL, VG_SET_LIST, 0, VG_SETTINGS_TEXT_MAX, "https://", "", AT(witness.urls),
	      "Where witnesses answer: `vigie vault verify` asks them when --witness names none.",
	      "Où répondent les témoins : `vigie vault verify` les interroge quand --witness n’en nomme aucun."),

	GROUP("alarm", "Who is woken, and how.", "Qui est réveillé, et comment."),
	VALUE("alarm.level", VG_SET_WORD, 0, 0, 0, "informational low medium high critical", "high", AT(alarm.level), "From which level of a signal on.",
	      "À partir de quel niveau d’un signal."),
	VALUE("alarm.pause", VG_SET_DURATION, 0, (uint64_t)VG_SEC, (uint64_t)VG_DAY, NULL, "1 min", AT(alarm.pause_ns),
	      "Between two messages by one way, each of all that came meanwhile; a graver alarm than those of the last message does not wait.",
	      "Entre deux messages par une même voie, chacun de tout ce qui est venu entre-temps ; une alarme plus grave que celles du dernier n’attend pas."),
	GROUP("alarm.mail", "By mail.", "Par courriel."),
	TEXT("alarm.mail.to", VG_SET_MAIL, VG_SET_LIST, "", AT(alarm.mail.to), "To whom. Empty: no mail.", "À qui. Vide : pas de courriel."),
	TEXT("alarm.mail.from", VG_SET_MAIL, 0, "", AT(alarm.mail.from), "From whom.", "De la part de qui."),
	VALUE("alarm.mail.server", VG_SET_URL, 0, 0, VG_SETTINGS_TEXT_MAX, "smtp:// smtps://", "", AT(alarm.mail.server),
	      "The mail server: smtps://mail.example.org, or smtp://, which goes over to TLS where the server can.",
	      "Le serveur : smtps://mail.example.org, ou smtp://, qui passe à TLS si le serveur le peut."),
	TEXT("alarm.mail.user", VG_SET_TEXT, 0, "", AT(alarm.mail.user), "User name there.", "Nom d’utilisateur."),
	VALUE("alarm.mail.password", VG_SET_SECRET, 0, 1, 512, NULL, "", AT(alarm.mail.password), "Password there.", "Mot de passe."),
	VALUE("alarm.webhooks", VG_SET_URL, VG_SET_LIST, 0, VG_SETTINGS_TEXT_MAX, "http:// https://", "", AT(alarm.webhooks),
	      "URLs that get each alarm as JSON.", "URL qui reçoivent chaque alarme en JSON."),
	TEXT("alarm.command", VG_SET_TEXT, VG_SET_LIST, "", AT(alarm.command),
	     "Program (absolute path) and its arguments, as a list; it gets the alarm as JSON on standard input. No shell is used.",
	     "Programme (chemin absolu) et ses arguments, en liste ; il reçoit l’alarme en JSON sur son entrée. Sans shell."),

	GROUP("outward", "How Vigie reaches others: webhooks, mail servers, the time-stamping authority.",
	      "Comment Vigie atteint les autres : webhooks, serveurs de courriel, autorité d’horodatage."),
	TEXT("outward.ca", VG_SET_PATH, 0, "", AT(outward.ca), "CA certificates, PEM, that their certificates must chain to. Empty: the system's.",
	     "Certificats d’AC, PEM, auxquels leurs certificats doivent remonter. Vide : ceux du système."),
	VALUE("outward.proxy", VG_SET_URL, 0, 0, VG_SETTINGS_TEXT_MAX, "http:// https://", "", AT(outward.proxy),
	      "Proxy for http and https. Empty: none; the environment is not asked.", "Mandataire pour http et https. Vide : aucun ; l’environnement n’est pas consulté."),

	GROUP("limits", "What processes and searches may take.", "Ce que peuvent prendre les processus et les recherches."),
	GROUP("limits.memory", "Memory of the roles; one that goes over it is started anew.", "Mémoire des rôles ; celui qui la dépasse est relancé."),
	MEMORY("net", NET, "256 MiB"),
	MEMORY("vault", VAULT, "512 MiB"),
	MEMORY("detect", DETECT, "1 GiB"),
	MEMORY("trace", TRACE, "512 MiB"),
	MEMORY("seal", SEAL, "128 MiB"),
	MEMORY("out", OUT, "256 MiB"),
	MEMORY("respond", RESPOND, "128 MiB"),
	GROUP("limits.query", "One search or export of the vault, and the decoding of one segment; options of the commands go over these.",
	      "Une recherche ou un export du coffre, et le décodage d’un segment ; les options des commandes passent avant."),
	VALUE("limits.query.time", VG_SET_DURATION, 0, (uint64_t)VG_SEC, (uint64_t)VG_DAY, NULL, "10 min", AT(limits.query.time_ns), "How long it may run.",
	      "Combien de temps elle peut durer."),
	VALUE("limits.query.memory", VG_SET_SIZE, 0, 16 * MIB, TIB, NULL, "512 MiB", AT(limits.query.memory_bytes), "How much memory it may take.",
	      "Combien de mémoire elle peut prendre."),
	VALUE("limits.query.read", VG_SET_SIZE, 0, MIB, 1024 * TIB, NULL, "1 TiB", AT(limits.query.read_bytes), "How many bytes of raw log it may read.",
	      "Combien d’octets de journaux elle peut lire."),
};
const size_t vg_setting_nrow = VG_COUNT(vg_setting_rows);

const struct vg_setting *
vg_setting_find(vg_str key)
{
	for (size_t i = 0; i < vg_setting_nrow; i++)
		if (vg_str_eq(vg_str_of(vg_setting_rows[i].key), key))
			return &vg_setting_rows[i];
	return NULL;
}

bool
vg_setting_is_map(const struct vg_setting *r)
{
	return vg_str_ends(vg_str_of(r->key), VG_STR(".*"));
}

vg_str
vg_setting_under(const char *key, vg_str prefix)
{
	vg_str k = vg_str_of(key);

	if (prefix.n == 0)
		return k;
	return k.n > prefix.n && vg_str_starts(k, prefix) && k.p[prefix.n] == '.' ? vg_str_skip(k, prefix.n + 1) : VG_NIL;
}

vg_str
vg_setting_child(const char *key, vg_str prefix)
{
	vg_str rest = vg_setting_under(key, prefix);

	return vg_str_chr(rest, '.') == VG_NPOS ? rest : VG_NIL;
}

const struct vg_setting *
vg_setting_short(const struct vg_setting *map)
{
	for (size_t i = 0; i < vg_setting_nrow; i++)
		if ((vg_setting_rows[i].flags & VG_SET_SHORT) && vg_setting_child(vg_setting_rows[i].key, vg_str_of(map->key)).n)
			return &vg_setting_rows[i];
	return NULL;
}

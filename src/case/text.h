/* case/text.h - every word and sentence that people read, in each language, in one table.  {0}, {1}... stand for what is put
 * in.  The sentences go into HTML as they are, so they hold no <, > or &. */
#ifndef VG_CASE_TEXT_H
#define VG_CASE_TEXT_H

#include "case/report.h"

#define VG_TEXTS(X)                                                                                                      \
	X(REPORT, "Intrusion report", "Rapport d’intrusion")                                                             \
	X(TAGLINE, "What the logs tell", "Ce que racontent les journaux")                                                \
	X(MONTHS,                                                                                                        \
	  "January,February,March,April,May,June,July,August,September,October,November,December",                       \
	  "janvier,février,mars,avril,mai,juin,juillet,août,septembre,octobre,novembre,décembre")                        \
	X(DATE_TIME, "{0} {1} {2}, {3} UTC", "{0} {1} {2} à {3} UTC")                                                    \
	X(DATE, "{0} {1} {2}", "{0} {1} {2}")                                                                            \
	X(AND, "{0} and {1}", "{0} et {1}")                                                                              \
	X(AND_OTHERS, "{0} and {1} others", "{0} et {1} autres")                                                         \
	/* headline */                                                                                                   \
	X(HEAD_INTRUSION, "Signs of an intrusion on {0}, from {1} to {2}.",                                              \
	  "Traces d’une intrusion sur {0}, du {1} au {2}.")                                                              \
	X(HEAD_INTRUSION_DAY, "Signs of an intrusion on {0}, on {1}.", "Traces d’une intrusion sur {0}, le {1}.")        \
	X(HEAD_SUSPECT, "Suspicious activity on {0}, from {1} to {2}.", "Activité suspecte sur {0}, du {1} au {2}.")     \
	X(HEAD_SUSPECT_DAY, "Suspicious activity on {0}, on {1}.", "Activité suspecte sur {0}, le {1}.")                 \
	X(HEAD_MINOR, "Only minor signals on {0}, from {1} to {2}.",                                                     \
	  "Seulement des signaux mineurs sur {0}, du {1} au {2}.")                                                       \
	X(HEAD_MINOR_DAY, "Only minor signals on {0}, on {1}.", "Seulement des signaux mineurs sur {0}, le {1}.")        \
	X(HEAD_ERASED_ONLY, "Nothing matched, but logs were erased.",                                                    \
	  "Aucune règle n’a réagi, mais des journaux ont été effacés.")                                                  \
	X(HEAD_ZERO, "Nothing was found.", "Rien n’a été trouvé.")                                                       \
	X(HEAD_ZERO_LEVEL, "Nothing was found at level “{0}” or above.",                                                 \
	  "Rien n’a été trouvé au niveau « {0} » ou au-dessus.")                                                         \
	X(HEAD_NOTHING_READ, "Nothing could be read: no events.", "Rien n’a pu être lu : aucun événement.")              \
	X(SAY_PATH, "{1} was used from {0} to reach {2} ({3}), first on {4}.",                                           \
	  "Le compte {1} a servi depuis {0} pour entrer sur {2} ({3}), la première fois le {4}.")                        \
	X(SAY_PATH_LAST, "{1} was used from {0} to reach {2} ({3}), first on {4}, last on {5}.",                         \
	  "Le compte {1} a servi depuis {0} pour entrer sur {2} ({3}), la première fois le {4}, la dernière le {5}.")    \
	X(SAY_VPN, "{1} came in by VPN from {0}, first on {2}.", "{1} est entré par le VPN depuis {0}, la première fois le {2}.")   \
	X(SAY_VPN_LAST, "{1} came in by VPN from {0}, first on {2}, last on {3}.",                                       \
	  "{1} est entré par le VPN depuis {0}, la première fois le {2}, la dernière le {3}.")                           \
	X(SAY_VPN_REACHED, "Reached from there: {0}.", "Atteints par là : {0}.")                                         \
	X(VPN_OF, "VPN of {0} from {1}", "VPN de {0} depuis {1}")                                                        \
	X(SAY_CREATED, "Accounts that came to be along the way: {0}.", "Comptes apparus en chemin : {0}.")               \
	X(SAY_BACKUPS, "Backups or restore points were tampered with on {0}.",                                           \
	  "Des sauvegardes ou points de restauration ont été touchés sur {0}.")                                          \
	X(SAY_RANSOM, "Signs of ransomware or destruction on {0}, first on {1}.",                                        \
	  "Traces de rançongiciel ou de destruction sur {0}, la première fois le {1}.")                                  \
	X(SAY_ZERO_RULES, "{0} met {1} (of {2} loaded).", "{0} face à {1} (sur {2} chargées).")                          \
	X(SAY_ZERO_MEANS,                                                                                                \
	  "This does not prove that nothing happened: what was never logged, or was erased, cannot be found.",           \
	  "Cela ne prouve pas qu’il ne s’est rien passé : ce qui n’a pas été journalisé, ou a été effacé, ne se "        \
	  "retrouve pas.")                                                                                               \
	X(SAY_LOWER, "{0} below it.", "{0} en dessous.")                                                                 \
	X(SAY_UNCOVERED, "No rule reads: {0}.", "Aucune règle ne lit : {0}.")                                            \
	X(SAY_NO_RULES, "No rules were loaded.", "Aucune règle n’a été chargée.")                                        \
	/* chapters */                                                                                                   \
	X(CH_ENTRY, "Entry", "Entrée")                                                                                   \
	X(CH_ACCOUNTS, "Accounts", "Comptes")                                                                            \
	X(CH_ERASED, "Erased logs", "Journaux effacés")                                                                        \
	X(CH_BACKDOORS, "Back doors", "Portes dérobées")                                                                          \
	X(CH_MAPPING, "Mapping", "Repérage")                                                                             \
	X(CH_BACKUPS, "Backups", "Sauvegardes")                                                                          \
	X(CH_RANSOM, "Ransom", "Rançon")                                                                                 \
	X(CH_OTHER, "Other", "Autres")                                                                                   \
	X(CH_ENTRY_SAY, "How someone comes in: VPN, stolen passwords, flaws, mail",                                      \
	  "Par où l’on entre : VPN, mots de passe volés, failles, courriel")                                             \
	X(CH_ACCOUNTS_SAY, "Accounts and machines made or changed", "Comptes et machines créés ou modifiés")             \
	X(CH_ERASED_SAY, "Logs cleared, logging and defences switched off",                                              \
	  "Journaux effacés, journalisation et défenses coupées")                                                        \
	X(CH_BACKDOORS_SAY, "Ways to come back, privileges raised, tools run",                                           \
	  "Moyens de revenir, droits élevés, outils lancés")                                                             \
	X(CH_MAPPING_SAY, "The network explored, steps from machine to machine",                                         \
	  "Réseau exploré, passages de machine en machine")                                                              \
	X(CH_BACKUPS_SAY, "Backups and restore points touched", "Sauvegardes et points de restauration touchés")         \
	X(CH_RANSOM_SAY, "Files encrypted or destroyed, services stopped",                                               \
	  "Fichiers chiffrés ou détruits, services arrêtés")                                                             \
	X(CH_QUIET, "nothing seen", "rien vu")                                                                           \
	/* levels */                                                                                                     \
	X(LEVEL_INFO, "info", "info")                                                                                    \
	X(LEVEL_LOW, "low", "faible")                                                                                    \
	X(LEVEL_MEDIUM, "medium", "moyen")                                                                               \
	X(LEVEL_HIGH, "high", "élevé")                                                                                   \
	X(LEVEL_CRITICAL, "critical", "critique")                                                                        \
	/* how a sign-in came */                                                                                         \
	X(VIA_VPN, "VPN", "VPN")                                                                                         \
	X(VIA_RDP, "remote desktop", "bureau à distance")                                                                \
	X(VIA_SSH, "SSH", "SSH")                                                                                         \
	X(VIA_NETWORK, "network", "réseau")                                                                              \
	X(VIA_INTERACTIVE, "at the machine", "sur place")                                                                \
	X(VIA_BATCH, "scheduled", "planifié")                                                                            \
	X(VIA_SERVICE, "service", "service")                                                                             \
	X(VIA_UNLOCK, "unlock", "déverrouillage")                                                                        \
	X(VIA_CLEARTEXT, "clear text", "en clair")                                                                       \
	X(VIA_NEWCRED, "other credentials", "autres identifiants")                                                       \
	X(VIA_RUNAS, "run as", "exécuter en tant que")                                                                   \
	X(VIA_KERBEROS, "Kerberos ticket", "ticket Kerberos")                                                            \
	X(VIA_NTLM, "NTLM", "NTLM")                                                                                      \
	X(VIA_SUDO, "sudo", "sudo")                                                                                      \
	X(VIA_TERMINAL, "terminal", "terminal")                                                                          \
	X(VIA_SIGN_IN, "sign-in", "connexion")                                                                           \
	X(SOURCE_LOCAL, "local", "local")                                                                                \
	X(SOURCE_UNKNOWN, "unknown", "inconnue")                                                                         \
	/* erased logs */                                                                                                \
	X(ERASE_CLEARED, "log cleared", "journal effacé")                                                                \
	X(ERASE_STOPPED, "logging stopped (often a shutdown)", "journalisation arrêtée (souvent un arrêt machine)")      \
	X(ERASE_GAP, "records missing", "enregistrements manquants")                                                     \
	X(ERASE_GAP_NOTED, "numbers missing (export or filter: only noted)",                                             \
	  "numéros manquants (export ou filtre : simple remarque)")                                                      \
	X(ERASE_OVERWRITTEN, "records overwritten with zeros", "enregistrements remplacés par des zéros")                \
	X(ERASE_AUDIT_OFF, "what is audited was changed", "ce qui est audité a été changé")                              \
	/* things done */                                                                                                \
	X(DEED_CREATED, "account created", "compte créé")                                                                \
	X(DEED_CHANGED, "account changed", "compte modifié")                                                             \
	X(DEED_DELETED, "account deleted", "compte supprimé")                                                            \
	X(DEED_GROUP, "added to a group", "ajouté à un groupe")                                                          \
	X(DEED_SERVICE, "service installed", "service installé")                                                         \
	X(DEED_TASK, "task scheduled", "tâche planifiée")                                                                \
	/* titles */                                                                                                     \
	X(T_CHAPTERS, "The chapters", "Les chapitres")                                                                   \
	X(T_TIMELINE, "Timeline", "Chronologie")                                                                         \
	X(T_PATHS, "Sign-in paths", "Chemins de connexion")                                                              \
	X(T_SIGNALS, "Signals", "Signaux")                                                                               \
	X(T_ERASED, "Erased logs", "Journaux effacés")                                                                   \
	X(T_DEEDS, "Accounts, services and tasks", "Comptes, services et tâches")                                        \
	X(T_HOSTS, "Hosts", "Machines")                                                                                  \
	X(T_ACCOUNTS, "Accounts", "Comptes")                                                                             \
	X(T_SOURCES, "Sources", "Provenances")                                                                           \
	X(T_FILES, "What was read", "Ce qui a été lu")                                                                   \
	X(T_NOT_READ, "What was not read, and why", "Ce qui n’a pas été lu, et pourquoi")                                \
	X(T_UNCOVERED, "What no rule reads", "Ce qu’aucune règle ne lit")                                                \
	X(T_ABOUT, "How to read this report", "Comment lire ce rapport")                                                 \
	X(T_CREDITS, "Rules, authors and licences", "Règles, auteurs et licences")                                       \
	/* explanations */                                                                                               \
	X(E_TIMELINE, "One lane a chapter. Each mark is one rule on one host, from its first to its last event.",        \
	  "Une ligne par chapitre. Chaque marque est une règle sur une machine, du premier au dernier événement.")       \
	X(E_PATHS, "From source to account to host. Red: a signal names the source, or the account on that host.",       \
	  "De la provenance au compte puis à la machine. En rouge : un signal nomme la provenance, ou le compte sur "    \
	  "cette machine.")                                                                                              \
	X(E_SIGNALS, "One line a rule, worst first. Open a line for the rule, the hosts and the events.",                \
	  "Une ligne par règle, la plus grave d’abord. Ouvrez une ligne pour voir la règle, les machines et les "        \
	  "événements.")                                                                                                 \
	X(E_ERASED,                                                                                                      \
	  "Cleared logs, logging stopped, and records missing inside one live log. Gaps in exports, filtered or "        \
	  "forwarded logs are usual, and only noted.",                                                                   \
	  "Journaux effacés, journalisation arrêtée, enregistrements manquants dans un journal vivant. Des trous dans "  \
	  "un export, un journal filtré ou transféré sont courants, et seulement signalés.")                             \
	X(E_ABOUT_SIGNAL, "A signal says that a rule matched. It is a reason to look, not a proof.",                     \
	  "Un signal dit qu’une règle a réagi. C’est une raison de regarder, pas une preuve.")                           \
	X(E_ABOUT_TIME, "All times are in UTC, as the sources claim them.",                                              \
	  "Toutes les heures sont en UTC, telles que les sources les donnent.")                                          \
	X(E_ABOUT_MARK, "Fields that made the rule match are marked in the sample events.",                              \
	  "Les champs qui ont fait réagir la règle sont surlignés dans les exemples.")                                   \
	X(E_ABOUT_ESCAPE, "Control characters from the logs are shown as \\x1b or \\u{202e}: nothing from the logs "     \
			  "can act in this page. It loads nothing from any network.",                                    \
	  "Les caractères de contrôle des journaux sont montrés comme \\x1b ou \\u{202e} : rien de ce que contiennent "  \
	  "les journaux ne peut agir dans cette page. Elle ne charge rien depuis un réseau.")                            \
	X(E_ABOUT_ATTACK, "Technique numbers are those of MITRE ATT&amp;CK, version 19.",                                \
	  "Les numéros de techniques sont ceux de MITRE ATT&amp;CK, version 19.")                                        \
	X(E_CREDITS, "Each rule is the work of its author, under the licence named.",                                    \
	  "Chaque règle est l’œuvre de son auteur, sous la licence indiquée.")                                           \
	X(E_UNCOVERED, "Events of these logs were read, but no loaded rule asks for them.",                              \
	  "Les événements de ces journaux ont été lus, mais aucune règle chargée ne les demande.")                       \
	X(E_PRINT_MORE, "{0} more are not shown here.", "{0} de plus ne sont pas montrés ici.")                          \
	X(E_SAMPLES_LEFT, "Samples left out to keep the report small: {0}.",                                             \
	  "Exemples omis pour garder le rapport léger : {0}.")                                                           \
	X(E_DROPPED, "Limits were met: {0} groups, {1} paths, {2} names were counted but not listed.",                   \
	  "Des limites ont été atteintes : {0} groupes, {1} chemins, {2} noms comptés mais non listés.")                 \
	X(E_NONE, "None.", "Aucun.")                                                                                     \
	/* columns */                                                                                                    \
	X(C_LEVEL, "Level", "Niveau")                                                                                    \
	X(C_RULE, "Rule", "Règle")                                                                                       \
	X(C_HOST, "Host", "Machine")                                                                                     \
	X(C_HOSTS, "Hosts", "Machines")                                                                                  \
	X(C_COUNT, "Count", "Nombre")                                                                                    \
	X(C_FIRST, "First", "Première fois")                                                                             \
	X(C_LAST, "Last", "Dernière fois")                                                                               \
	X(C_TIME, "Time", "Heure")                                                                                       \
	X(C_ACCOUNT, "Account", "Compte")                                                                                \
	X(C_SOURCE, "Source", "Provenance")                                                                              \
	X(C_VIA, "Way", "Moyen")                                                                                         \
	X(C_SESSIONS, "Sessions", "Sessions")                                                                            \
	X(C_FAILURES, "Failures", "Échecs")                                                                              \
	X(C_PRIVILEGED, "Privileged", "Avec droits")                                                                     \
	X(C_OPEN, "Time open", "Durée")                                                                                  \
	X(C_WHAT, "What", "Quoi")                                                                                        \
	X(C_WHO, "Who", "Qui")                                                                                           \
	X(C_TARGET, "On what", "Sur quoi")                                                                               \
	X(C_LOG, "Log", "Journal")                                                                                       \
	X(C_MISSING, "Missing", "Manquants")                                                                             \
	X(C_NAME, "Name", "Nom")                                                                                         \
	X(C_EVENTS, "Events", "Événements")                                                                              \
	X(C_SIGNALS, "Signals", "Signaux")                                                                               \
	X(C_FILE, "File", "Fichier")                                                                                     \
	X(C_FORMAT, "Format", "Format")                                                                                  \
	X(C_SIZE, "Size", "Taille")                                                                                      \
	X(C_REMARKS, "Remarks", "Remarques")                                                                             \
	X(C_CHANNEL, "Log", "Journal")                                                                                   \
	X(C_AUTHOR, "Author", "Auteur")                                                                                  \
	X(C_LICENCE, "Licence", "Licence")                                                                               \
	X(C_TAGS, "Tags", "Étiquettes")                                                                                  \
	X(C_REFERENCES, "References", "Références")                                                                      \
	X(C_FALSE, "May also be", "Peut aussi être")                                                                     \
	X(C_RULE_ID, "Rule id", "Identifiant")                                                                           \
	X(C_GROUPED, "Grouped by", "Regroupé par")                                                                       \
	X(C_WHEN, "When", "Quand")                                                                                       \
	X(C_RAW, "Raw record", "Enregistrement brut")                                                                    \
	/* tools */                                                                                                      \
	X(F_FILTER, "Filter (/)", "Filtrer (/)")                                                                         \
	X(F_LEVEL_ALL, "All levels", "Tous les niveaux")                                                                 \
	X(F_LEVEL_FROM, "{0} and worse", "{0} et pire")                                                                  \
	X(F_OPEN_ALL, "Open all", "Tout ouvrir")                                                                         \
	X(F_CLOSE_ALL, "Close all", "Tout fermer")                                                                       \
	X(F_SHOWN, "shown", "affichés")                                                                                  \
	X(F_SKIP, "Skip to the signals", "Aller aux signaux")                                                            \
	X(ERASED_NOTED, "Only noted", "Seulement signalé")                                                               \
	X(FOLDER, "Folder:", "Dossier :")                                                                               \
	X(SAMPLE, "Event", "Événement")                                                                                  \
	X(SAMPLE_RECORD, "record {0}", "enregistrement {0}")                                                             \
	X(CUT, "[cut]", "[coupé]")                                                                                       \
	X(CARVED, "recovered from deleted data", "récupéré de données supprimées")                                       \
	X(UNKNOWN_FORMAT, "unknown format", "format inconnu")                                                            \
	X(NO_HOST, "no host named", "machine non nommée")                                                                \
	X(NO_AUTHOR, "not named", "non nommé")                                                                           \
	X(NO_TIME, "no time", "sans heure")                                                                              \
	X(NOTE_NO_TIME, "events without a time: {0}", "événements sans heure : {0}")                                     \
	X(NOTE_UNKNOWN_SOURCE, "events of no known source: {0}", "événements de source inconnue : {0}")                  \
	X(NOTE_BAD, "records not decoded: {0}", "enregistrements non décodés : {0}")                                     \
	/* by enum vg_note_kind */                                                                                      \
	X(NOTE_RECORD_BAD, "records not decoded", "enregistrements non décodés")                                       \
	X(NOTE_RECORD_CUT, "records decoded in part", "enregistrements décodés en partie")                             \
	X(NOTE_CHUNK_BAD, "blocks that could not be read", "blocs illisibles")                                         \
	X(NOTE_CHECKSUM, "checksums that differ", "sommes de contrôle différentes")                                    \
	X(NOTE_LINE_LONG, "lines cut: too long", "lignes coupées : trop longues")                                      \
	X(NOTE_DIRTY, "not closed properly", "mal fermé")                                                              \
	X(NOTE_TRUNCATED, "ends too early", "fin prématurée")                                                          \
	X(NOTE_UNKNOWN, "lines of no known shape", "lignes de forme inconnue")                                         \
	X(NOTE_GAP, "record numbers missing", "numéros d’enregistrement manquants")                                    \
	X(NOTE_LIMIT, "limits met", "limites atteintes")                                                               \
	X(NOTE_ERASED, "records erased", "enregistrements effacés")                                                    \
	/* terminal */                                                                                                   \
	X(S_READ, "{0}, {1}, {2} of {3} rules apply", "{0}, {1}, règles : {2} sur {3}")                        \
	X(S_NOT_READ, "Not read", "Non lu")                                                                              \
	X(S_MORE, "{0} more", "{0} de plus")

/* With one or many: English says 1 file, 0 files; French 0 fichier, 1 fichier, 2 fichiers. */
#define VG_PLURALS(X)                                                                                                    \
	X(FILES, "{0} file", "{0} files", "{0} fichier", "{0} fichiers")                                                 \
	X(EVENTS, "{0} event", "{0} events", "{0} événement", "{0} événements")                                          \
	X(SIGNALS, "{0} signal", "{0} signals", "{0} signal", "{0} signaux")                                             \
	X(RULES, "{0} rule", "{0} rules", "{0} règle", "{0} règles")                                                     \
	X(APPLICABLE, "{0} applicable rule", "{0} applicable rules", "{0} règle applicable", "{0} règles applicables")   \
	X(HOSTS, "{0} host", "{0} hosts", "{0} machine", "{0} machines")                                                 \
	X(ERASED, "Logs were erased {0} time, on {1}.", "Logs were erased {0} times, on {1}.",                           \
	  "Des journaux ont été effacés {0} fois, sur {1}.", "Des journaux ont été effacés {0} fois, sur {1}.")          \
	X(GAPS, "{0} record is missing from the logs of {1}.", "{0} records are missing from the logs of {1}.",          \
	  "{0} enregistrement manque dans les journaux de {1}.", "{0} enregistrements manquent dans les journaux de {1}.")\
	X(NOT_READ, "{0} file was not read, or not whole.", "{0} files were not read, or not whole.",                    \
	  "{0} fichier n’a pas été lu, ou pas en entier.", "{0} fichiers n’ont pas été lus, ou pas en entier.")

enum vg_text {
#define X(id, en, fr) VG_T_##id,
	VG_TEXTS(X)
#undef X
	VG_TEXT_COUNT
};
enum vg_plural {
#define X(id, en1, en, fr1, fr) VG_N_##id,
	VG_PLURALS(X)
#undef X
	VG_PLURAL_COUNT
};

const char *vg_text(enum vg_lang l, enum vg_text id);
const char *vg_text_n(enum vg_lang l, enum vg_plural id, uint64_t n);

/* How text from outside is written: vg_buf_html, vg_buf_safe... */
typedef void vg_escape(struct vg_buf *b, vg_str s);
/* The sentence @fmt with {i} replaced by @arg[i], escaped. */
void vg_text_put(struct vg_buf *b, const char *fmt, const vg_str *arg, size_t narg, vg_escape *escape);
#define VG_PUT(b, fmt, escape, ...)                                                                  \
	vg_text_put((b), (fmt), (const vg_str[]){ __VA_ARGS__ },                                     \
		    sizeof((const vg_str[]){ __VA_ARGS__ }) / sizeof(vg_str), (escape))

#define VG_NUMBER_MAX 48
/* "1,234,567", "1 234 567" with narrow no-break spaces. */
vg_str vg_text_number(enum vg_lang l, uint64_t n, char out[VG_NUMBER_MAX]);
/* "3 April 2026, 02:14 UTC"; without @clock only the day. Empty for VG_TIME_NONE. */
#define VG_DATE_MAX 96
vg_str vg_text_date(enum vg_lang l, int64_t time_ns, bool clock, char out[VG_DATE_MAX]);

enum vg_text vg_text_chapter(unsigned chapter);     /* VG_CH_NONE: "Other" */
enum vg_text vg_text_chapter_say(unsigned chapter); /* below VG_CHAPTERS only */
enum vg_text vg_text_level(unsigned level);
enum vg_text vg_text_erasure(unsigned kind);
enum vg_text vg_text_deed(unsigned fact_kind);
const char *vg_text_via(enum vg_lang l, vg_str via);
const char *vg_text_source(enum vg_lang l, vg_str source); /* of "" and "-"; else NULL */

/* Seen at a third place (a ticket, a credential checked or named), not as a sign-in on the host itself. */
bool vg_path_is_indirect(const struct vg_path *p);

/* What happened, in sentences, a line each; the first is the headline.  Written for @escape's medium; @escape
 * must leave no line feed in a name.  Returns the level of
 * the worst signal shown, 255 when there is none. */
unsigned vg_headline(const struct vg_story_view *v, const struct vg_report_options *o, vg_escape *escape, struct vg_buf *b);

#endif

#include "role/alarm_text.h"

#include <stdio.h>

#include "rule/program.h"
#include "vault/merkle.h"

/* {} is the alarm's text: a name, a figure. */
static const struct kind {
	const char *name;
	const char *title[VG_LANGS];
} kinds[VG_ROLE_ALARM_KINDS] = {
	[VG_ROLE_ALARM_SIGNAL] = { "signal", { NULL, NULL } }, /* the rule's own */
	[VG_ROLE_ALARM_DISK] = { "disk-full", { "The watch's disk is nearly full (less than {} are free): senders are told to wait, nothing new is kept",
						"Le disque de la veille est presque plein (moins de {} libres) : les émetteurs doivent attendre, rien de nouveau n’est gardé" } },
	[VG_ROLE_ALARM_DISK_OVER] = { "disk-full-over", { "There is room on the watch's disk again", "Il y a de nouveau de la place sur le disque de la veille" } },
	[VG_ROLE_ALARM_ROLE] = { "role-dies", { "A part of the watch ends again and again: {}", "Une partie de la veille s’arrête sans cesse : {}" } },
	[VG_ROLE_ALARM_ASIDE] = { "record-set-aside", { "A record that ended two processes was set aside, and no rule sees it: {}",
							"Un enregistrement qui a arrêté deux processus est mis à part, aucune règle ne le voit : {}" } },
	[VG_ROLE_ALARM_CHECKPOINT] = { "checkpoint-late", { "The evidence is not signed any more, since {}", "Les preuves ne sont plus signées, depuis {}" } },
	[VG_ROLE_ALARM_CHECKPOINT_OVER] = { "checkpoint-late-over", { "The evidence is signed again", "Les preuves sont de nouveau signées" } },
	[VG_ROLE_ALARM_FLOOD] = { "flood", { "More arrives than can be taken, and records are lost before they reach the watch: {}",
					     "Il arrive plus que ce qui peut être pris, des enregistrements se perdent avant la veille : {}" } },
	[VG_ROLE_ALARM_WITNESS] = { "witness-silent", { "The witness has not fetched anything since {}", "Le témoin n’a rien copié depuis {}" } },
	[VG_ROLE_ALARM_WITNESS_OVER] = { "witness-silent-over", { "The witness fetches again", "Le témoin copie de nouveau" } },
	[VG_ROLE_ALARM_STAMP] = { "stamp-late", { "There is no time stamp any more: {}", "Il n’y a plus d’horodatage : {}" } },
	[VG_ROLE_ALARM_TEST] = { "test", { "This is a test. Nothing happened", "Ceci est un essai. Il ne s’est rien passé" } },
	[VG_ROLE_ALARM_SHARE] = { "share-full", { "A source fills its share of the disk, and its newest records are refused: {}",
						  "Une source remplit sa part du disque, ses derniers enregistrements sont refusés : {}" } },
	[VG_ROLE_ALARM_SOURCE_FLOOD] = { "source-flood", { "A source sends far more than is usual for it: {}", "Une source envoie bien plus que d’habitude : {}" } },
	[VG_ROLE_ALARM_ANNOUNCED] = { "destruction-announced", { "Records will be destroyed, as the settings say; who wants them holds them (`vigie hold set`): {}",
								 "Des enregistrements seront détruits, comme le disent les réglages ; qui les veut les retient (`vigie hold set`) : {}" } },
	[VG_ROLE_ALARM_DESTROYED] = { "destroyed", { "Records were destroyed: {}", "Des enregistrements ont été détruits : {}" } },
	[VG_ROLE_ALARM_NOT_CERTIFIED] = { "destruction-refused", { "A destruction was refused, because it may not be: {}",
								   "Une destruction a été refusée, car elle n’a pas lieu d’être : {}" } },
};
static const char *const levels[VG_LANGS][VG_LEVELS] = {
	[VG_LANG_EN] = { "informational", "low", "medium", "high", "critical" },
	[VG_LANG_FR] = { "informatif", "faible", "moyen", "élevé", "critique" },
};
static const struct words {
	const char *test, *one, *many, *on, *of, *until, *more, *others, *hint;
} words[VG_LANGS] = {
	[VG_LANG_EN] = { "TEST", "1 alarm", " alarms", "on ", "of ", " to ", "alarms more: ", "alarms of other kinds, which were too many to be told apart",
			 "`vigie signal list` shows the signals and what proves them, `vigie alarm list` what was told." },
	[VG_LANG_FR] = { "ESSAI", "1 alarme", " alarmes", "sur ", "de ", " au ", "autres alarmes : ",
			 "alarmes d’autres sortes, trop nombreuses pour être distinguées",
			 "`vigie signal list` montre les signaux et leurs preuves, `vigie alarm list` ce qui a été annoncé." },
};

const char *
vg_role_alarm_name(unsigned kind)
{
	return kind < VG_ROLE_ALARM_KINDS ? kinds[kind].name : "others";
}

void
vg_alarm_title(enum vg_lang lang, const struct vg_outbox_group *g, struct vg_buf *out)
{
	vg_str t = g->kind < VG_ROLE_ALARM_KINDS ? vg_str_of(kinds[g->kind].title[lang]) : vg_str_of(words[lang].others);
	size_t at = vg_str_find(t, VG_STR("{}"));

	if (g->kind == VG_ROLE_ALARM_SIGNAL) {
		vg_buf_safe(out, g->title);
		return;
	}
	vg_buf_put(out, vg_str_cut(t, at));
	if (at != VG_NPOS) {
		vg_buf_safe(out, g->text);
		vg_buf_put(out, vg_str_skip(t, at + 2));
	}
}

void
vg_alarm_begin(struct vg_alarm_message *m, enum vg_lang lang, const char *node, bool test)
{
	*m = (struct vg_alarm_message){ .lang = lang, .node = node, .test = test };
}

void
vg_alarm_fini(struct vg_alarm_message *m)
{
	struct vg_buf *const all[] = { &m->subject, &m->text, &m->json, &m->rows, &m->list, &m->name };

	for (size_t i = 0; i < VG_COUNT(all); i++)
		vg_buf_fini(all[i]);
}

/* ---- a group ---- */

static void
put_row(struct vg_alarm_message *m, const struct vg_outbox_group *g, const char *first, const char *last)
{
	struct vg_buf *b = &m->rows;

	vg_buf_printf(b, "%s{\"kind\":\"%s\",\"level\":\"%s\",\"tenant\":", m->groups ? "," : "", vg_role_alarm_name(g->kind), vg_level_name((enum vg_level)g->level));
	vg_buf_json_str(b, g->tenant);
	vg_buf_puts(b, ",\"title\":");
	vg_buf_json_str(b, vg_buf_str(&m->name));
	vg_buf_puts(b, ",\"text\":");
	vg_buf_json_str(b, g->text);
	vg_buf_printf(b, ",\"count\":%llu,\"first\":\"%s\",\"last\":\"%s\"}", (unsigned long long)g->count, first, last);
}

static void
put_lines(struct vg_alarm_message *m, const struct vg_outbox_group *g, const char *first, const char *last)
{
	const struct words *w = &words[m->lang];
	struct vg_buf *b = &m->list;

	vg_buf_printf(b, "\n[%s] ", levels[m->lang][g->level]);
	vg_buf_put(b, vg_buf_str(&m->name));
	if (g->count > 1)
		vg_buf_printf(b, " (%llu)", (unsigned long long)g->count);
	vg_buf_puts(b, "\n    ");
	if (g->kind == VG_ROLE_ALARM_SIGNAL && g->text.n) {
		vg_buf_puts(b, w->on);
		vg_buf_safe(b, g->text);
		vg_buf_puts(b, ", ");
	}
	if (g->tenant.n) {
		vg_buf_puts(b, w->of);
		vg_buf_safe(b, g->tenant);
		vg_buf_puts(b, ", ");
	}
	vg_buf_puts(b, first);
	if (g->last_ns != g->first_ns)
		vg_buf_printf(b, "%s%s", w->until, last);
	vg_buf_putc(b, '\n');
}

vg_rc
vg_alarm_group(struct vg_alarm_message *m, const struct vg_outbox_group *g)
{
	char first[VG_TIME_MAX], last[VG_TIME_MAX];
	struct vg_outbox_group known = *g;

	if (known.level >= VG_LEVELS) /* what is read back is hostile too */
		known.level = VG_LEVEL_CRITICAL;
	m->count += g->count;
	if (known.level > m->level)
		m->level = known.level;
	if (m->groups == VG_ALARM_SHOWN) {
		m->more += g->count;
		return VG_OK;
	}
	vg_time_print(g->first_ns, 0, first);
	vg_time_print(g->last_ns, 0, last);
	vg_buf_clear(&m->name);
	vg_alarm_title(m->lang, g, &m->name);
	put_row(m, &known, first, last);
	put_lines(m, &known, first, last);
	if (m->groups == 0) { /* the gravest one names the message */
		vg_buf_put(&m->subject, vg_buf_str(&m->name));
		if (g->kind == VG_ROLE_ALARM_SIGNAL && g->text.n) {
			vg_buf_putc(&m->subject, ' ');
			vg_buf_puts(&m->subject, words[m->lang].on);
			vg_buf_safe(&m->subject, g->text);
		}
	}
	m->groups++;
	return m->rows.rc != VG_OK ? m->rows.rc : m->list.rc != VG_OK ? m->list.rc : m->subject.rc;
}

/* ---- the whole ---- */

static void
put_count(struct vg_buf *b, const struct words *w, uint64_t n)
{
	if (n == 1)
		vg_buf_puts(b, w->one);
	else
		vg_buf_printf(b, "%llu%s", (unsigned long long)n, w->many);
}

static void
put_subject(struct vg_alarm_message *m)
{
	struct vg_buf b = { 0 };

	vg_buf_printf(&b, "[vigie %.64s] %s%s", m->node, m->test ? words[m->lang].test : levels[m->lang][m->level], m->test || m->count == 1 ? ": " : ", ");
	if (m->count > 1 && !m->test) {
		put_count(&b, &words[m->lang], m->count);
		vg_buf_puts(&b, ": ");
	}
	vg_buf_put(&b, vg_buf_str(&m->subject));
	vg_buf_fini(&m->subject);
	m->subject = b;
}

static void
put_text(struct vg_alarm_message *m)
{
	const struct words *w = &words[m->lang];

	vg_buf_put(&m->text, vg_buf_str(&m->subject));
	vg_buf_putc(&m->text, '\n');
	vg_buf_put(&m->text, vg_buf_str(&m->list));
	if (m->more) {
		vg_buf_printf(&m->text, "\n%s%llu\n", w->more, (unsigned long long)m->more);
	}
	vg_buf_printf(&m->text, "\n%s\n", w->hint);
}

static void
put_json(struct vg_alarm_message *m, int64_t now_ns)
{
	struct vg_buf *b = &m->json;
	char now[VG_TIME_MAX];

	vg_time_print(now_ns, 0, now);
	vg_buf_puts(b, "{\"vigie\":");
	vg_buf_json_str(b, vg_str_of(m->node));
	vg_buf_printf(b, ",\"id\":\"%s\",\"time\":\"%s\",\"test\":%s,\"level\":\"%s\",\"count\":%llu,\"subject\":", m->id, now, m->test ? "true" : "false",
		      vg_level_name((enum vg_level)m->level), (unsigned long long)m->count);
	vg_buf_json_str(b, vg_buf_str(&m->subject));
	vg_buf_puts(b, ",\"text\":");
	vg_buf_json_str(b, vg_buf_str(&m->text));
	vg_buf_puts(b, ",\"alarms\":[");
	vg_buf_put(b, vg_buf_str(&m->rows));
	vg_buf_printf(b, "],\"more\":%llu}\n", (unsigned long long)m->more);
}

vg_rc
vg_alarm_end(struct vg_alarm_message *m, int64_t now_ns)
{
	struct vg_buf *const all[] = { &m->subject, &m->text, &m->json };
	struct vg_hash h;

	vg_hash_of(vg_buf_str(&m->rows), &h);
	for (size_t i = 0; i < 16; i++)
		snprintf(m->id + 2 * i, 3, "%02x", h.b[i]);
	put_subject(m);
	put_text(m);
	put_json(m, now_ns);
	for (size_t i = 0; i < VG_COUNT(all); i++)
		if (all[i]->rc != VG_OK)
			return all[i]->rc;
	return VG_OK;
}

/* vault/export_sheet.c - the chain-of-custody sheet of an export, French and English beside each other: what a court or an insurer asks for first. */
#include <stdio.h>

#include "base/time.h"
#include "vault/export.h"

struct line { /* a row of the sheet */
	const char *fr, *en;
	char value[400];
};

static void
print_time(int64_t ns, char out[VG_TIME_MAX])
{
	(void)vg_time_print(ns, 3, out);
}

static size_t
rows_of(const struct vg_export_options *o, const struct vg_exported *x, struct line *l)
{
	char a[VG_TIME_MAX], b[VG_TIME_MAX], c[VG_TIME_MAX], now[VG_TIME_MAX];
	struct vg_buf key = { 0 }, root = { 0 };
	size_t n = 0;

	print_time(x->first_ns, a);
	print_time(x->last_ns, b);
	print_time(x->checkpoint.time_ns, c);
	print_time(o->now_ns, now);
	vg_note_key_print(o->log_key, &key);
	vg_buf_putc(&key, 0);
	vg_buf_hex(&root, x->checkpoint.root.b, VG_HASH_BYTES, false);
	vg_buf_putc(&root, 0);
#define ROW(french, english, ...) \
	do { \
		l[n].fr = french; \
		l[n].en = english; \
		snprintf(l[n].value, sizeof(l[n].value), __VA_ARGS__); \
		n++; \
	} while (0)
	ROW("Exporté le (UTC)", "Exported on (UTC)", "%s", now);
	ROW("Par", "By", "%s", o->who);
	ROW("Sur la machine", "On the machine", "%s", o->host);
	ROW("Du coffre", "From the vault", "%s", o->vault);
	ROW("Nœud, client", "Node, tenant", "%s, %s", o->node, o->tenant);
	ROW("Enregistrements", "Records", "%llu (%llu – %llu)", (unsigned long long)x->records, (unsigned long long)x->first_seq, (unsigned long long)x->last_seq);
	ROW("Octets", "Bytes", "%llu", (unsigned long long)x->bytes);
	ROW("Reçus entre (UTC)", "Received between (UTC)", "%s – %s", a, b);
	ROW("Point de contrôle", "Checkpoint", "%llu, %s", (unsigned long long)x->checkpoint.size, c);
	ROW("Racine", "Root", "%s", root.rc == VG_OK ? root.p : "");
	ROW("Clé du journal", "The log's key", "%s", key.rc == VG_OK ? key.p : "");
	ROW("Horodatage joint", "Time stamp enclosed", "%s", x->stamped ? "stamp.tsr" : "–");
	if (x->unreadable)
		ROW("Blocs illisibles (clé détruite ou absente)", "Blocks that nobody here can read (key destroyed or absent)", "%llu", (unsigned long long)x->unreadable);
#undef ROW
	vg_buf_fini(&key);
	vg_buf_fini(&root);
	return n;
}

/* What is filled in by hand. */
static const struct {
	const char *fr, *en;
} hand[] = {
	{ "SHA-256 du manifeste (manifest.sha256)", "SHA-256 of the manifest (manifest.sha256)" },
	{ "Affaire / dossier n°", "Case no." },
	{ "Support, n° de série, scellé", "Medium, serial no., seal" },
	{ "Remis par (nom, fonction, date, signature)", "Handed over by (name, function, date, signature)" },
	{ "Reçu par (nom, fonction, date, signature)", "Received by (name, function, date, signature)" },
	{ "Remis par (nom, fonction, date, signature)", "Handed over by (name, function, date, signature)" },
	{ "Reçu par (nom, fonction, date, signature)", "Received by (name, function, date, signature)" },
};
#define CHECK "vigie vault verify --log-key KEY --export FOLDER"

static void
print_text(const struct line *l, size_t n, vg_str files, struct vg_buf *b)
{
	vg_buf_puts(b, "TRAÇABILITÉ DE LA PREUVE / CHAIN OF CUSTODY\n\n");
	for (size_t i = 0; i < n; i++) {
		vg_buf_printf(b, "%s / %s:\n    ", l[i].fr, l[i].en);
		vg_buf_safe(b, vg_str_of(l[i].value));
		vg_buf_putc(b, '\n');
	}
	vg_buf_puts(b, "\nFichiers, SHA-256 / Files, SHA-256:\n");
	vg_buf_put(b, files);
	vg_buf_puts(b, "\nVérifier / To check:  sha256sum -c manifest.sha256;  " CHECK "\n\n");
	for (size_t i = 0; i < VG_COUNT(hand); i++)
		vg_buf_printf(b, "%s / %s:\n\n    ____________________________________________________________\n\n", hand[i].fr, hand[i].en);
}

static void
print_page(const struct line *l, size_t n, vg_str files, struct vg_buf *b)
{
	vg_buf_puts(b, "<!DOCTYPE html>\n<html lang=\"fr\"><head><meta charset=\"utf-8\"><title>Traçabilité de la preuve / Chain of custody</title>\n"
		       "<style>body{font:11pt/1.4 sans-serif;max-width:18cm;margin:1cm auto}table{border-collapse:collapse;width:100%}"
		       "td{border:1px solid #888;padding:.15cm .25cm;vertical-align:top;overflow-wrap:anywhere}td:first-child{width:38%}"
		       "i{color:#444}pre{font-size:8pt;white-space:pre-wrap;overflow-wrap:anywhere}.hand td{height:1.1cm}@page{size:A4;margin:1.5cm}</style></head>\n"
		       "<body><h1>Traçabilité de la preuve<br><i lang=\"en\">Chain of custody</i></h1>\n<table>\n");
	for (size_t i = 0; i < n; i++) {
		vg_buf_printf(b, "<tr><td>%s<br><i lang=\"en\">%s</i></td><td>", l[i].fr, l[i].en);
		vg_buf_html(b, vg_str_of(l[i].value));
		vg_buf_puts(b, "</td></tr>\n");
	}
	vg_buf_puts(b, "</table>\n<h2>Fichiers <i lang=\"en\">Files</i> (SHA-256)</h2>\n<pre>");
	vg_buf_html(b, files);
	vg_buf_puts(b, "</pre>\n<p>Vérifier / <i lang=\"en\">To check</i>: <code>sha256sum -c manifest.sha256</code>, <code>" CHECK "</code></p>\n<table class=\"hand\">\n");
	for (size_t i = 0; i < VG_COUNT(hand); i++)
		vg_buf_printf(b, "<tr><td>%s<br><i lang=\"en\">%s</i></td><td></td></tr>\n", hand[i].fr, hand[i].en);
	vg_buf_puts(b, "</table></body></html>\n");
}

void
vg_export_sheet(const struct vg_export_options *o, const struct vg_exported *x, vg_str files, struct vg_buf *text, struct vg_buf *page)
{
	struct line l[16];
	size_t n = rows_of(o, x, l);

	print_text(l, n, files, text);
	print_page(l, n, files, page);
}

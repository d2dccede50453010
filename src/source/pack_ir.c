#include "source/pack_ir.h"

/* One description of each table, for both directions: writing when out is set, else reading.  What is read
 * is checked here once, so that pack.c need not doubt it. */
struct io {
	struct vg_buf *out;
	struct vg_cur *in;
	struct vg_arena *a;
};

static void
fail(struct io *io, vg_rc rc)
{
	if (io->in)
		(void)vg_cur_fail(io->in, rc);
}

static void
io_u8(struct io *io, uint8_t *v, unsigned below)
{
	if (io->out) {
		vg_buf_u8(io->out, *v);
		return;
	}
	if ((*v = vg_cur_u8(io->in)) >= below) {
		*v = 0;
		fail(io, VG_E_FORMAT);
	}
}

static void
io_u16(struct io *io, uint16_t *v)
{
	if (io->out)
		vg_buf_le16(io->out, *v);
	else
		*v = vg_cur_le16(io->in);
}

static void
io_str(struct io *io, vg_str *s)
{
	if (io->out) {
		vg_buf_le_str(io->out, *s);
		return;
	}
	*s = vg_cur_bytes(io->in, vg_cur_le32(io->in));
}

/* The count of a list and room for it; 0 when it cannot be. */
static uint16_t
io_list(struct io *io, uint16_t *n, void *list, size_t size)
{
	void *p = NULL;

	io_u16(io, n);
	if (io->out)
		return *n;
	/* each entry takes a byte at least: a count that cannot be sizes nothing */
	if (*n > VG_PK_LIST_MAX || *n > vg_cur_left(io->in)) {
		fail(io, *n > VG_PK_LIST_MAX ? VG_E_LIMIT : VG_E_TRUNC);
		*n = 0;
	}
	if (*n && (p = vg_arena_zalloc(io->a, *n, size)) == NULL) {
		fail(io, VG_E_NOMEM);
		*n = 0;
	} else if (*n) {
		memcpy(list, &p, sizeof(p));
	}
	return *n;
}

static void
io_strs(struct io *io, uint16_t *n, vg_str **list)
{
	io_list(io, n, list, sizeof(**list));
	for (uint16_t i = 0; i < *n; i++)
		io_str(io, &(*list)[i]);
}

static void
io_all(struct io *io, struct vg_pk_all *all)
{
	io_list(io, &all->ncond, &all->cond, sizeof(*all->cond));
	for (uint16_t i = 0; i < all->ncond; i++) {
		struct vg_pk_cond *c = &all->cond[i];

		io_u8(io, &c->what, VG_PK_WHATS);
		io_u8(io, &c->negate, 2);
		io_str(io, &c->name);
		io_strs(io, &c->nvalue, &c->value);
	}
}

static void
io_sets(struct io *io, uint16_t *n, struct vg_pk_set **list)
{
	io_list(io, n, list, sizeof(**list));
	for (uint16_t i = 0; i < *n; i++) {
		io_str(io, &(*list)[i].name);
		io_str(io, &(*list)[i].value);
	}
}

static void
io_pattern(struct io *io, struct vg_pk_pattern *p)
{
	size_t caps = 0;

	io_list(io, &p->nop, &p->op, sizeof(*p->op));
	for (uint16_t i = 0; i < p->nop; i++) {
		struct vg_pk_op *o = &p->op[i];

		io_u8(io, &o->op, VG_PK_OPCODES);
		io_u8(io, &o->type, VG_PK_TYPES);
		io_u16(io, &o->to);
		io_str(io, &o->text);
		if (o->op >= VG_PK_RUN && o->op <= VG_PK_REST)
			caps++;
		if ((o->op == VG_PK_SPLIT || o->op == VG_PK_JUMP) && (o->to <= i || o->to >= p->nop))
			fail(io, VG_E_FORMAT);
	}
	if (p->nop > VG_PK_OPS_MAX || caps > VG_PK_CAPS_MAX)
		fail(io, VG_E_LIMIT);
	if (p->nop == 0 || p->op[p->nop - 1].op != VG_PK_END)
		fail(io, VG_E_FORMAT);
	io_sets(io, &p->nset, &p->set);
}

static void
io_expr(struct io *io, struct vg_pk_expr *x)
{
	io_list(io, &x->npart, &x->part, sizeof(*x->part));
	for (uint16_t i = 0; i < x->npart; i++) {
		io_u8(io, &x->part[i].field, 3);
		io_str(io, &x->part[i].text);
	}
}

static void
io_name(struct io *io, struct vg_pk_name *n, uint16_t nmap)
{
	io_str(io, &n->name);
	io_u8(io, &n->as, VG_PK_AS_COUNT);
	io_u8(io, &n->strict, 2);
	io_u16(io, &n->map);
	if (n->map > nmap)
		fail(io, VG_E_FORMAT);
	io_list(io, &n->nfrom, &n->from, sizeof(*n->from));
	for (uint16_t i = 0; i < n->nfrom; i++)
		io_expr(io, &n->from[i]);
	io_strs(io, &n->nunless, &n->unless);
	io_all(io, &n->when);
}

static void
io_step(struct io *io, struct vg_pk_step *s)
{
	io_u8(io, &s->mode, VG_PK_MODES);
	io_u8(io, &s->sep, 128);
	io_str(io, &s->field);
	io_str(io, &s->prefix);
	io_all(io, &s->when);
	io_list(io, &s->npattern, &s->pattern, sizeof(*s->pattern));
	for (uint16_t i = 0; i < s->npattern; i++)
		io_pattern(io, &s->pattern[i]);
	io_sets(io, &s->ncolumn, &s->column);
}

static void
io_kind(struct io *io, struct vg_pk_kind *k, uint16_t nmap)
{
	io_strs(io, &k->nchannel, &k->channel);
	io_strs(io, &k->ncode, &k->code);
	io_all(io, &k->when);
	io_list(io, &k->ntuple, &k->tuple, sizeof(*k->tuple));
	for (uint16_t i = 0; i < k->ntuple; i++) {
		io_str(io, &k->tuple[i].product);
		io_str(io, &k->tuple[i].category);
		io_str(io, &k->tuple[i].service);
	}
	io_sets(io, &k->nset, &k->set);
	io_list(io, &k->nname, &k->name, sizeof(*k->name));
	for (uint16_t i = 0; i < k->nname; i++)
		io_name(io, &k->name[i], nmap);
}

static void
io_pack(struct io *io, struct vg_pk_pack *p)
{
	io_str(io, &p->name);
	io_str(io, &p->title);
	io_u8(io, &p->fallback, 2);
	io_list(io, &p->nrecognise, &p->recognise, sizeof(*p->recognise));
	for (uint16_t i = 0; i < p->nrecognise; i++)
		io_all(io, &p->recognise[i]);
	io_list(io, &p->nmap, &p->map, sizeof(*p->map));
	for (uint16_t i = 0; i < p->nmap; i++) {
		io_str(io, &p->map[i].name);
		io_sets(io, &p->map[i].npair, &p->map[i].pair);
	}
	io_list(io, &p->nstep, &p->step, sizeof(*p->step));
	for (uint16_t i = 0; i < p->nstep; i++)
		io_step(io, &p->step[i]);
	io_list(io, &p->ntime, &p->time, sizeof(*p->time));
	for (uint16_t i = 0; i < p->ntime; i++) {
		io_expr(io, &p->time[i].from);
		io_str(io, &p->time[i].format);
	}
	io_list(io, &p->nkind, &p->kind, sizeof(*p->kind));
	for (uint16_t i = 0; i < p->nkind; i++)
		io_kind(io, &p->kind[i], p->nmap);
}

void
vg_pk_encode(const struct vg_pk_pack *p, struct vg_buf *out)
{
	struct io io = { .out = out };
	struct vg_pk_pack copy = *p; /* writing changes nothing; the lists it points to stay as they are */

	io_pack(&io, &copy);
}

vg_rc
vg_pk_decode(struct vg_cur *in, struct vg_arena *a, struct vg_pk_pack *p)
{
	struct io io = { .in = in, .a = a };

	*p = (struct vg_pk_pack){ 0 };
	io_pack(&io, p);
	return in->rc;
}

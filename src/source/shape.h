/* source/shape.h - known shapes of structured records (evtx_dump, Winlogbeat, NXLog, Wazuh, Velociraptor,
 * Get-WinEvent, EvtxECmd, CloudTrail...) brought to native names.  Nothing is guessed from the order of names:
 * a name that a table knows is remembered as it passes by, and when the record has ended the table says which
 * one is the time, the host, the channel, and what it is called in a Windows event. */
#ifndef VG_SOURCE_SHAPE_H
#define VG_SOURCE_SHAPE_H

#include "event/event.h"

/* What a name says, whoever wrote it. */
enum vg_shape_slot {
	VG_SLOT_NONE,
	VG_SLOT_TIME,
	VG_SLOT_HOST,
	VG_SLOT_CHANNEL,
	VG_SLOT_PROVIDER,
	VG_SLOT_CODE,
	VG_SLOT_RECORD,
	VG_SLOT_GUID,
	VG_SLOT_PID,
	VG_SLOT_TID,
	VG_SLOT_SID,
	VG_SLOT_ACTIVITY,
	VG_SLOT_MESSAGE,
	VG_SLOT_XML,  /* an <Event> or its <EventData> as text */
	VG_SLOT_JSON, /* EventData as JSON text */
	VG_SLOTS
};

#define VG_SHAPE_TIMES 8 /* names of time that one record is looked through for */

/* What one record had so far. */
struct vg_shape {
	uint32_t field[VG_SLOTS]; /* index of the best, plus 1 */
	uint8_t row[VG_SLOTS];
	struct {
		uint32_t field;
		uint8_t row;
	} time[VG_SHAPE_TIMES];
	uint8_t ntime;
	bool spaced; /* a name has a space in it */
};

/* The row of the table that speaks of @name, or VG_SHAPE_SPACED when it has a space in it; 0 when there is
 * nothing to remember of it. */
#define VG_SHAPE_SPACED 255
uint8_t vg_shape_row(vg_str name);
/* Field @field of the record has the name of @row, and a value. */
void vg_shape_seen(struct vg_shape *s, uint8_t row, uint32_t field);
/* The record has ended: set time, host, channel, provider, code and record of @e from what was seen, and add
 * the native Windows names when it is a Windows event.  VG_E_NOMEM. */
vg_rc vg_shape_finish(struct vg_shape *s, struct vg_event *e) VG_MUST;

/* A time as text: ISO 8601, epoch in s, ms, us or ns, "/Date(ms)/", "19/10/2020 12:28:44" (day first unless
 * AM or PM stands behind, or it cannot be).  VG_TIME_NONE when it is none.  @zoned: it says its zone. */
int64_t vg_shape_time(vg_str s, bool *zoned);

/* Where a nested object stands, and so how the names in it are made. */
enum vg_shape_at {
	VG_AT_ROOT,
	VG_AT_DOTTED,      /* path and name, joined by dots */
	VG_AT_EVENT,       /* evtx_dump: Event */
	VG_AT_SYSTEM,      /* its System: the name alone */
	VG_AT_TAG,         /* an element of System: element_name */
	VG_AT_LEAF,        /* EventData, UserData and below: the innermost name alone */
	VG_AT_RENDER,      /* RenderingInfo_name */
	VG_AT_ATTR,        /* #attributes: element_name */
	VG_AT_IGNORE,
	VG_AT_WINLOG,      /* dotted, with event_data below it */
	VG_AT_DATA,        /* Wazuh: data, dotted */
	VG_AT_DATA_WIN,    /* data.win, dotted */
	VG_AT_WAZUH_SYSTEM,
	VG_AT_WAZUH_DATA,  /* the name with its first letter upper */
};
/* What the object called @key is, inside an object that is @at. */
enum vg_shape_at vg_shape_enter(enum vg_shape_at at, vg_str key);
/* A dotted name as it stands in a flat record: what is left of it without the path of event data, and
 * VG_AT_LEAF or VG_AT_WAZUH_DATA; VG_AT_DOTTED when it has no such path. */
enum vg_shape_at vg_shape_flat(vg_str *name);
/* Wazuh's name of a System field as Windows has it; empty: none known. */
vg_str vg_shape_wazuh_system(vg_str key);

#endif

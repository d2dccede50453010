#include "net/gate.h"

const char *
vg_proof_name(unsigned proof)
{
	static const char *const name[VG_PROOFS] = { "none", "network", "key", "certificate", "local" };

	return proof < VG_PROOFS ? name[proof] : "unknown";
}

const char *
vg_refusal_name(unsigned why)
{
	static const char *const name[VG_REFUSALS] = { "too-long", "bad-frame", "bad-format", "bad-key", "over-limit", "dropped-by-kernel", "over-share" };

	return why < VG_REFUSALS ? name[why] : "unknown";
}

#include "ops/selective_scan_choose.h"

#include <initializer_list>

#include "ops/choose.h"

namespace scandium {
namespace {

using llu = unsigned long long;

constexpr uint32_t kColumns = 16;                 // of the state in a lane without subgroups: with their rates 32 registers
constexpr uint32_t kSharedColumns = 8;            // in a lane that shares a channel: more would leave a GPU too few subgroups
constexpr uint32_t kMostLanes = 16;               // that share a channel
constexpr uint32_t kMostBlock = 32;               // tokens: their sums are in registers at once
constexpr uint32_t kWideLanes = kMostBlock / 4;   // so many may still move 4 tokens at once each; with more a lane moves one
constexpr uint32_t kMostUnrolled = 256;           // steps of one column in a block, which are spelled out
constexpr uint32_t kMostUnrolledIntegrated = 64;  // a Mali-G610 has 64 registers, and spilled 375 at 256, 202 at 64
constexpr uint32_t kMostUnrolledOnCpu = 64;       // whose drivers take long to compile; half that where a GPU's form is asked for
constexpr uint32_t kMostStaged = 8192;            // bytes of B and C: shared memory is what first limits how many workgroups fit
constexpr uint64_t kDiscreteLanes = 65536;        // that keep a large GPU busy
constexpr uint64_t kIntegratedLanes = 8192;
constexpr uint64_t kLeastSegment = 128;  // tokens
constexpr uint64_t kLeastSegments = 6;   // states are computed twice, so fewer gain nothing
// Once a scan is split, more segments than just fill the device even out their ends: on an H100 1 x 5120 x 4096 took 316 us
// in 7, 305 in 8, 285 in 16 and 304 in 32.
constexpr uint64_t kRounds = 5, kRoundsOf = 2;
constexpr uint32_t kMostSegments = 64;  // each looks at all before it

uint64_t divide_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }
uint32_t smaller(uint64_t a, uint64_t b) { return uint32_t(a < b ? a : b); }

// A CPU wants a lane a channel and no copies. A variant that the caller asks for is what a GPU would get.
bool is_cpu(const Caps& caps, const SelectiveScanProblem& problem) {
    return caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU && problem.variant == Variant::automatic;
}

// Sequences that run side by side, each in all channels.
uint64_t rows(const SelectiveScanProblem& problem) {
    return (problem.packing == Packing::cu_seqlens ? problem.sequences : problem.batch) * problem.channels;
}

uint64_t enough_lanes(const Caps& caps) {
    return caps.device_type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ? kIntegratedLanes : kDiscreteLanes;
}

// Lanes of a subgroup that share a channel: few, since their sums cost something, and more where channels are few.
void choose_shared_lanes(const Caps& caps, const SelectiveScanProblem& problem, uint32_t most, SelectiveScanChoice* out) {
    out->lanes = smaller(power_of_two_from(uint32_t(divide_up(problem.dstate, kSharedColumns))), most);
    if (out->segment != 0) return;
    most = smaller(most, kWideLanes);
    while (out->lanes * 2 <= most && out->lanes * 2 <= problem.dstate && rows(problem) * out->lanes * 2 <= enough_lanes(caps))
        out->lanes *= 2;
}

// A large workgroup shares what it stages of B and C among more channels, a small one waits less at its barriers. On an H100,
// bf16: 8 x 5120 x 4096 in 64 lanes 1.13 ms, in 128 1.16; 1 x 5120 x 4096 in 16 segments 263 and 257 us, whole with 8 lanes a
// channel 294 and 257.
uint32_t shared_local_size(const SelectiveScanChoice& c) { return c.segment != 0 || c.lanes >= kWideLanes ? 128 : 64; }

// Why lanes of a subgroup cannot share channels, or null.
const char* why_no_sharing(const Caps& caps, const SelectiveScanProblem& problem) {
    if (problem.variant == Variant::scalar) return "ruled out by the caller";
    if (is_cpu(caps, problem)) return "a CPU's lanes each have a channel";
    if (const char* why_not = why_no_subgroups(caps)) return why_not;
    return fixed_subgroup_size(caps).size == 0 ? "the subgroup size is not fixed" : nullptr;
}

// Bytes of shared memory, as the shader declares it.
uint32_t shared_memory(const SelectiveScanChoice& c) {
    const uint32_t staged = c.staged ? 64 * uint32_t(divide_up(c.block() * c.lanes * c.columns, 4)) + 4 * 2 * c.block() : 16 + 4;
    if (c.variant == Variant::subgroup) return staged;
    return staged + (c.lanes > 1 ? (8 * c.local_size / c.lanes + 4 * c.local_size) * c.block() : 8 + 4);
}

// The widest moves with which a block can be spelled out, and staged if need be.
void choose_width(const Caps& caps, bool stage, SelectiveScanChoice* out) {
    uint32_t limit = caps.device_type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ? kMostUnrolledIntegrated : kMostUnrolled;
    if (caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU) limit = stage ? kMostUnrolledOnCpu / 2 : kMostUnrolledOnCpu;
    for (const bool staged : {stage, false})
        for (const uint32_t width : {8u, 4u, 1u}) {
            out->width = width;
            out->staged = staged;
            const bool fits = out->block() <= kMostBlock && out->block() * out->columns <= limit;
            const bool fits_shared = !staged || 16 * out->block() * out->lanes * out->columns <= kMostStaged;
            if ((fits || width == 1) && fits_shared && shared_memory(*out) <= smaller(caps.shared_memory, 16384)) return;
        }
}

uint64_t round_up(uint64_t value, uint64_t unit) { return divide_up(value, unit) * unit; }

// Whether the plan's own choice is to split, for lanes that share a channel `lanes` at a time.
uint64_t choose_segments(const Caps& caps, const SelectiveScanProblem& problem, uint64_t lanes) {
    if (problem.segments != 0) return problem.segments;
    if (problem.packing != Packing::none || is_cpu(caps, problem)) return 1;
    const uint64_t most = smaller(problem.seqlen / kLeastSegment, kMostSegments);
    const uint64_t wanted = divide_up(enough_lanes(caps), rows(problem) * lanes);
    return smaller(wanted, most) < kLeastSegments ? 1 : smaller(wanted * kRounds / kRoundsOf, most);
}

void tell(const SelectiveScanProblem& problem, const char* why_no_subgroup, SelectiveScanChoice* out) {
    char lanes[120];
    if (why_no_subgroup)
        say(lanes, "no subgroup: %s", why_no_subgroup);
    else
        say(lanes, "%u lanes of a subgroup share a channel", out->lanes);
    if (out->segment == 0)
        say(out->reason, "%s, %s", lanes, problem.packing != Packing::none ? "packed, so not split in time" : "not split in time");
    else
        say(out->reason, "%s, segments of %llu tokens%s", lanes, llu(out->segment),
            problem.segments != 0 ? " as asked for by the caller" : ": the channels alone leave the device idle");
}

}  // namespace

Result choose_selective_scan(const Caps& caps, const Diagnostics& diagnostics, const SelectiveScanProblem& problem,
                             SelectiveScanChoice* out) {
    *out = SelectiveScanChoice();
    if (problem.variant == Variant::coopmat)
        return diagnostics.fail(Result::unsupported, "selective_scan: variant coopmat: it has no matrix product");
    const char* why_not = why_no_sharing(caps, problem);
    if (problem.variant == Variant::subgroup && why_not)
        return diagnostics.fail(Result::unsupported, "selective_scan: variant subgroup: %s", why_not);
    const bool cpu = is_cpu(caps, problem);
    uint64_t segments = 1;
    if (why_not) {
        out->lanes = power_of_two_from(uint32_t(divide_up(problem.dstate, kColumns)));
        out->local_size = cpu && caps.subgroup_size > 8 ? caps.subgroup_size : cpu ? 8 : 64;
        segments = choose_segments(caps, problem, out->lanes);
    } else {
        const SubgroupSize subgroup = fixed_subgroup_size(caps);
        const uint32_t most = smaller(subgroup.size, kMostLanes);
        out->variant = Variant::subgroup;
        out->subgroup_size = subgroup.require;
        segments = choose_segments(caps, problem, smaller(divide_up(problem.dstate, kSharedColumns), most));
        out->segment = segments > 1 ? 1 : 0;
        choose_shared_lanes(caps, problem, most, out);
        out->local_size = shared_local_size(*out);
        if (out->local_size < subgroup.size) out->local_size = subgroup.size;
    }
    if (out->local_size < out->lanes) out->local_size = out->lanes;
    out->columns = uint32_t(divide_up(problem.dstate, out->lanes));
    choose_width(caps, !cpu && !(problem.B_fixed && problem.C_fixed), out);
    out->shared_memory = shared_memory(*out);
    out->segment = segments > 1 ? round_up(divide_up(problem.seqlen, segments), out->block()) : 0;
    if (out->segment >= problem.seqlen) out->segment = 0;
    tell(problem, why_not, out);
    return Result::ok;
}

}  // namespace scandium

#include "ops.h"

#include "files/text.h"

// The list: NAME as cases have it under "op", and as in prepare_NAME.
// clang-format off: one on each line
#define SCANDIUM_PROGRAM_OPS(OP) \
    OP(ssd)                      \
    OP(ssd_step)                 \
    OP(selective_scan)           \
    OP(selective_scan_step)      \
    OP(causal_conv1d)            \
    OP(rms_norm_gated)           \
    OP(linear)                   \
    OP(swiglu)                   \
    OP(silu)                     \
    OP(softplus)                 \
    OP(add)                      \
    OP(embedding)                \
    OP(segsum)
// clang-format on

namespace scandium::program {

// Throw FileError.
#define SCANDIUM_DECLARE(name) void prepare_##name(Problem& problem, const Choices& choices);
SCANDIUM_PROGRAM_OPS(SCANDIUM_DECLARE)

namespace {

struct Op {
    const char* name;
    void (*prepare)(Problem& problem, const Choices& choices);
};

#define SCANDIUM_ENTRY(name) {#name, prepare_##name},
constexpr Op kOps[] = {SCANDIUM_PROGRAM_OPS(SCANDIUM_ENTRY)};

std::string known_ops() {
    std::string text;
    for (const Op& op : kOps) text += (text.empty() ? "" : ", ") + std::string(op.name);
    return text;
}

}  // namespace

Problem load_problem(const std::string& path, const Choices& choices, bool check) {
    Problem problem{Case(path)};
    const std::string& name = problem.source().op();
    for (const Op& op : kOps) {
        if (name != op.name) continue;
        op.prepare(problem, choices);
        problem.source().refuse_unknown_options();
        problem.finish(check);
        return problem;
    }
    problem.source().fail("op %s is not supported yet by this version: known ops are %s", in_quotes(name).c_str(), known_ops().c_str());
}

}  // namespace scandium::program

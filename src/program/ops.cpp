#include "ops.h"

#include "text.h"

namespace scandium::program {
namespace {

constexpr Op kOps[] = {
    {"ssd", prepare_ssd},
};

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
        problem.finish(check);
        return problem;
    }
    problem.source().fail("op %s is not supported yet by this version: known ops are %s", in_quotes(name).c_str(), known_ops().c_str());
}

}  // namespace scandium::program

// Runs ssd_scan on the test device, in watched memory.
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <utility>

#include "support/compare.h"
#include "support/guarded_memory.h"
#include "support/owned.h"
#include "support/ssd_case.h"

namespace scandium::test {
namespace {

// The part of an output that a run writes.
PlacedTensor written_part(const SsdCase& c, PlacedTensor tensor) {
    if (tensor.name == "y" && c.record_seqlen) tensor.shape[1] = c.record_seqlen;
    return tensor;
}

// A plan and the tensors that it was made with.
struct Planned {
    PlanPtr plan;
    std::map<std::string, TensorId> ids;
};

Result make_plan(const SsdCase& c, Planned* out) {
    Graph* graph = nullptr;
    if (Result r = create_graph(TestDevice::get().device(), c.access, &graph); r != Result::ok) return r;
    const GraphPtr owner(graph);
    SsdScan op = options_of(c);
    for (const auto& [name, tensor] : place_tensors(c)) out->ids[name] = member(op, name) = add_tensor(graph, tensor.desc());
    if (c.in_place) op.final_states = op.initial_states;
    if (Result r = ssd_scan(graph, op); r != Result::ok) return r;
    Plan* plan = nullptr;
    const Result result = create_plan(graph, PlanOptions(), &plan);
    out->plan.reset(plan);
    return result;
}

// Everything that a plan depends on.
std::string plan_key(SsdCase c) {
    c.record_seqlen = 0;
    c.separate_buffers = false;
    char rest[96];
    std::snprintf(rest, sizeof rest, "|%u %zu %a %a", c.max_sequences, c.cu_seqlens.size(), double(c.dt_min), double(c.dt_max));
    return c.text() + rest;
}

// Plans are kept: making the pipelines takes far longer than a run.
std::map<std::string, Planned>& plans() {
    static std::map<std::string, Planned> kept;
    return kept;
}

Result find_or_make_plan(const SsdCase& c, const Planned** out) {
    constexpr size_t kMost = 64;
    const std::string key = plan_key(c);
    if (const auto found = plans().find(key); found != plans().end()) {
        *out = &found->second;
        return Result::ok;
    }
    Planned planned;
    if (Result r = make_plan(c, &planned); r != Result::ok) return r;
    if (plans().size() == kMost) plans().clear();
    *out = &plans().emplace(key, std::move(planned)).first->second;
    return Result::ok;
}

class Runner {
public:
    Runner(const SsdCase& c, const SsdInputs& in)
        : case_(c), in_(in), device_(TestDevice::get()), memory_(device_.context(), c.separate_buffers), tensors_(place_tensors(c)) {}

    SsdRun run(uint32_t repeat) {
        device_.take_messages();
        const uint32_t messages_before = validation_message_count(device_.context());
        SsdRun out;
        out.result = find_or_make_plan(case_, &planned_);
        if (out.result != Result::ok) {
            out.message = to_text(device_.take_messages());
            return out;
        }
        describe_stages(&out);
        fill_memory();
        execute(repeat);
        collect(&out);
        const std::string messages = to_text(device_.take_messages());
        CHECK(messages == "");
        CHECK(validation_message_count(device_.context()) == messages_before);
        return out;
    }

private:
    Plan* plan() const { return planned_->plan.get(); }

    void describe_stages(SsdRun* out) const {
        for (uint32_t i = 0; i < dispatch_count(plan()); ++i) {
            DispatchInfo info;
            REQUIRE(describe(plan(), i, &info) == Result::ok);
            out->stages.push_back({info.name, info.kernel, info.reason, info.variant});
        }
    }

    void fill_memory() {
        for (const auto& [name, tensor] : tensors_) {
            const size_t region = regions_[name] = memory_.add(name, tensor.bytes(), tensor.alignment);
            if (!is_output(name)) encode(tensor, values_of(in_, name), memory_.bytes(region));
            if (is_output(name) || (case_.in_place && name == "initial_states")) allow_writing(region, tensor);
        }
        const WorkspaceInfo info = workspace_info(plan());
        if (info.size == 0) return;
        regions_["workspace"] = memory_.add("workspace", info.size, info.alignment);
        memory_.allow_all(regions_["workspace"]);
    }

    void allow_writing(size_t region, const PlacedTensor& tensor) {
        const PlacedTensor part = written_part(case_, tensor);
        part.each_offset([&](uint64_t offset) { memory_.allow(region, offset, size_of(part.dtype)); });
    }

    void execute(uint32_t repeat) {
        memory_.upload();
        std::vector<Binding> list;
        for (const auto& [name, id] : planned_->ids) list.push_back({id, memory_.view(regions_.at(name))});
        const BufferView workspace = regions_.count("workspace") ? memory_.view(regions_["workspace"]) : BufferView();
        Bindings* made = nullptr;
        const Result bound = create_bindings(plan(), Span<Binding>(list.data(), list.size()), workspace, &made);
        const BindingsPtr bindings(made);
        INFO(to_text(device_.take_messages()));
        REQUIRE(bound == Result::ok);
        RunOptions options;
        options.seqlen = case_.record_seqlen;
        options.repeat = repeat;
        REQUIRE(scandium::run(device_.context(), plan(), made, options) == Result::ok);
        memory_.download();
        const std::string damage = memory_.damage();
        CHECK(damage == "");
    }

    std::vector<float> output(const std::string& name) {
        return decode(written_part(case_, tensors_.at(name)), memory_.bytes(regions_.at(name)));
    }

    void collect(SsdRun* out) {
        out->y = output("y");
        if (case_.in_place)
            out->final_states = output("initial_states");
        else if (case_.final_states)
            out->final_states = output("final_states");
        if (case_.states) out->states = output("states");
    }

    const SsdCase& case_;
    const SsdInputs& in_;
    TestDevice& device_;
    const Planned* planned_ = nullptr;
    GuardedMemory memory_;
    std::map<std::string, PlacedTensor> tensors_;
    std::map<std::string, size_t> regions_;
};

}  // namespace

void forget_plans() { plans().clear(); }

SsdRun run_ssd(const SsdCase& c, const SsdInputs& in, uint32_t repeat) {
    INFO(c.text());
    return Runner(c, in).run(repeat);
}

SsdRun run_ok(const SsdCase& c, const SsdInputs& in) {
    SsdRun run = run_ssd(c, in);
    INFO(c.text());
    INFO(run.message);
    REQUIRE(run.result == Result::ok);
    return run;
}

void check_outputs(const SsdCase& c, const SsdRun& run, const SsdOutputs& want) {
    INFO(c.text());
    CHECK(relative_rms(run.y, want.y) <= c.y_tolerance());
    if (c.final_states) CHECK(relative_rms(run.final_states, want.final_states) <= c.state_tolerance());
    if (c.states) CHECK(relative_rms(run.states, want.states) <= c.boundary_tolerance());
}

void check_case(const SsdCase& c, uint64_t seed) {
    const SsdInputs in = make_inputs(c, seed);
    check_outputs(c, run_ok(c, in), expected(c, in));
}

}  // namespace scandium::test

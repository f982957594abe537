#include "support/op_run.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>

#include "support/guarded_memory.h"
#include "support/owned.h"

namespace scandium::test {
namespace {

class Runner {
public:
    explicit Runner(const OpSetup& setup) : setup_(setup), device_(TestDevice::get()), memory_(device_.context(), setup.separate_buffers) {}

    OpRun run() {
        device_.take_messages();
        const uint32_t messages_before = validation_message_count(device_.context());
        OpRun out;
        out.result = make_plan();
        if (out.result != Result::ok) {
            out.message = to_text(device_.take_messages());
            return out;
        }
        describe_stages(&out);
        fill_memory();
        execute();
        for (size_t i = 0; i < setup_.tensors.size(); ++i)
            if (setup_.tensors[i].written) out.out[setup_.tensors[i].tensor.name] = decode(placed(i), memory_.bytes(regions_[i]));
        const std::string messages = to_text(device_.take_messages());
        CHECK(messages == "");
        CHECK(validation_message_count(device_.context()) == messages_before);
        return out;
    }

private:
    PlacedTensor placed(size_t i) const {
        PlacedTensor tensor = setup_.tensors[i].tensor;
        tensor.alignment = setup_.alignment;
        return tensor;
    }

    Result make_plan() {
        Graph* graph = nullptr;
        if (Result r = create_graph(device_.device(), setup_.access, &graph); r != Result::ok) return r;
        const GraphPtr owner(graph);
        std::map<std::string, TensorId> names;
        for (size_t i = 0; i < setup_.tensors.size(); ++i) {
            ids_.push_back(add_tensor(graph, placed(i).desc()));
            names[setup_.tensors[i].tensor.name] = ids_.back();
        }
        const auto id = [&](const std::string& name) { return names.count(name) ? names[name] : kNoTensor; };
        if (Result r = setup_.append(graph, id); r != Result::ok) return r;
        Plan* plan = nullptr;
        const Result result = create_plan(graph, PlanOptions(), &plan);
        plan_.reset(plan);
        return result;
    }

    void describe_stages(OpRun* out) const {
        for (uint32_t i = 0; i < dispatch_count(plan_.get()); ++i) {
            DispatchInfo info;
            REQUIRE(describe(plan_.get(), i, &info) == Result::ok);
            out->stages.push_back({info.name, info.kernel, info.reason, info.variant, info.barrier_before});
        }
    }

    void fill_memory() {
        for (size_t i = 0; i < setup_.tensors.size(); ++i) {
            const OpTensor& t = setup_.tensors[i];
            const PlacedTensor tensor = placed(i);
            regions_.push_back(memory_.add(tensor.name, tensor.bytes(), setup_.alignment));
            if (!t.values.empty()) encode(tensor, t.values, memory_.bytes(regions_[i]));
            if (!t.written) continue;
            size_t element = 0;
            tensor.each_offset([&](uint64_t offset) {
                const size_t e = element++;
                if (t.writable.empty() || t.writable[e]) memory_.allow(regions_[i], offset, size_of(tensor.dtype));
            });
        }
        const WorkspaceInfo info = workspace_info(plan_.get());
        if (info.size == 0) return;
        workspace_ = memory_.add("workspace", info.size, info.alignment);
        memory_.allow_all(workspace_);
    }

    void execute() {
        memory_.upload();
        std::vector<Binding> list;
        for (size_t i = 0; i < ids_.size(); ++i) list.push_back({ids_[i], memory_.view(regions_[i])});
        const BufferView workspace = workspace_info(plan_.get()).size ? memory_.view(workspace_) : BufferView();
        Bindings* made = nullptr;
        const Result bound = create_bindings(plan_.get(), Span<Binding>(list.data(), list.size()), workspace, &made);
        const BindingsPtr bindings(made);
        INFO(to_text(device_.take_messages()));
        REQUIRE(bound == Result::ok);
        RunOptions options;
        options.seqlen = setup_.record_seqlen;
        REQUIRE(scandium::run(device_.context(), plan_.get(), made, options) == Result::ok);
        memory_.download();
        const std::string damage = memory_.damage();
        CHECK(damage == "");
    }

    const OpSetup& setup_;
    TestDevice& device_;
    PlanPtr plan_;
    GuardedMemory memory_;
    std::vector<TensorId> ids_;
    std::vector<size_t> regions_;
    size_t workspace_ = 0;
};

}  // namespace

OpTensor& OpSetup::add(const std::string& name, DType dtype, const std::vector<uint64_t>& shape, const std::vector<double>& values,
                       bool written, const Layout& layout) {
    tensors.push_back({place(name, dtype, shape, layout), values, written, {}});
    return tensors.back();
}

OpRun run_op(const OpSetup& setup) { return Runner(setup).run(); }

OpRun run_op_ok(const OpSetup& setup) {
    OpRun run = run_op(setup);
    INFO(run.message);
    REQUIRE(run.result == Result::ok);
    return run;
}

std::string to_text(const OpPath& path) {
    return std::string(to_string(path.variant)) + "/" + to_string(path.access) + "/alignment " + std::to_string(path.alignment);
}

std::vector<OpPath> op_paths() {
    const Caps& caps = TestDevice::get().caps();
    std::vector<OpPath> paths;
    for (Variant variant : {Variant::scalar, Variant::subgroup})
        for (MemoryAccess access : {MemoryAccess::address, MemoryAccess::descriptor})
            for (uint32_t alignment : {16u, 4u}) {
                if (variant == Variant::subgroup && !(caps.subgroup_arithmetic && caps.subgroup_shuffle)) continue;
                if (access == MemoryAccess::address && !caps.features.buffer_device_address) continue;
                if (access == MemoryAccess::descriptor && caps.features.buffer_device_address && few_paths_wanted()) continue;
                paths.push_back({variant, access, alignment});
            }
    return paths;
}

std::vector<OpPath> scalar_op_paths() {
    std::vector<OpPath> paths;
    for (const OpPath& path : op_paths())
        if (path.variant == Variant::scalar) paths.push_back(path);
    return paths;
}

std::vector<OpPath> main_op_paths() {
    std::vector<OpPath> paths = {{Variant::automatic, MemoryAccess::automatic, 16}};
    if (!few_paths_wanted()) paths.push_back({Variant::scalar, MemoryAccess::descriptor, 4});
    return paths;
}

}  // namespace scandium::test

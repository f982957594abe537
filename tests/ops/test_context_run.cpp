// run() of scandium/context.h: repeats, bindings in turn, times. Recordings and copies.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <memory>
#include <string>
#include <vector>

#include "scandium/ops/elementwise.h"
#include "support/owned.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr uint64_t kCount = 1000;
constexpr float kUnwritten = -1;

// y = y + b, with a y and a b for each bindings.
class Sums {
public:
    Sums() : context_(TestDevice::get().context()) {
        Graph* graph = nullptr;
        REQUIRE(create_graph(context_device(context_), MemoryAccess::automatic, &graph) == Result::ok);
        const GraphPtr owned(graph);
        TensorDesc desc;
        desc.dtype = DType::f32;
        desc.rank = 1;
        desc.shape[0] = kCount;
        desc.name = "y";
        y_ = add_tensor(graph, desc);
        desc.name = "b";
        b_ = add_tensor(graph, desc);
        REQUIRE(add(graph, Add{y_, b_, y_}) == Result::ok);
        Plan* plan = nullptr;
        REQUIRE(create_plan(graph, PlanOptions(), &plan) == Result::ok);
        plan_.reset(plan);
    }
    ~Sums() {
        for (Buffer* buffer : buffers_) destroy_buffer(context_, buffer);
    }

    const Bindings* bind(float summand) {
        const Binding tensors[] = {{y_, view(buffer(0))}, {b_, view(buffer(summand))}};
        Bindings* created = nullptr;
        REQUIRE(create_bindings(plan_.get(), tensors, BufferView(), &created) == Result::ok);
        bindings_.emplace_back(created);
        return created;
    }

    // The y of the bindings that were made as number `index`; all its elements are alike.
    float sum(size_t index) const {
        std::vector<float> values(kCount, kUnwritten);
        REQUIRE(download(context_, buffers_[2 * index], 0, values.data(), kCount * sizeof(float)) == Result::ok);
        CHECK(values == std::vector<float>(kCount, values[0]));
        return values[0];
    }

    Buffer* total(size_t index) const { return buffers_[2 * index]; }
    Buffer* summand(size_t index) const { return buffers_[2 * index + 1]; }
    Context* context() const { return context_; }
    const Plan* plan() const { return plan_.get(); }

private:
    Buffer* buffer(float value) {
        Buffer* created = nullptr;
        REQUIRE(create_buffer(context_, kCount * sizeof(float), &created) == Result::ok);
        buffers_.push_back(created);
        const std::vector<float> values(kCount, value);
        REQUIRE(upload(context_, created, 0, values.data(), kCount * sizeof(float)) == Result::ok);
        return created;
    }

    Context* context_;
    TensorId y_ = kNoTensor, b_ = kNoTensor;
    PlanPtr plan_;
    std::vector<Buffer*> buffers_;
    std::vector<BindingsPtr> bindings_;
};

TEST_CASE("create_context: an index that no device has is not taken for a part of a name") {
    ContextOptions options;
    std::string message;
    options.diagnostics = [](void* user, Result, VkResult, const char* text) { *static_cast<std::string*>(user) = text; };
    options.diagnostics_user = &message;
    // Every digit is in some driver's name.
    for (const char* index : {"90", "91", "99"}) {
        options.device = index;
        Context* context = nullptr;
        CHECK(create_context(options, &context) == Result::unsupported);
        CHECK(context == nullptr);
        CHECK_THAT(message, ContainsSubstring(std::string("no device ") + index));
    }
}

TEST_CASE("run: repeats take the bindings in turn, each after the one before") {
    Sums sums;
    const Bindings* bindings[] = {sums.bind(1), sums.bind(10), sums.bind(100)};
    RunOptions options;
    options.repeat = 2;
    REQUIRE(run(sums.context(), sums.plan(), bindings, options) == Result::ok);
    CHECK(sums.sum(0) == 1);
    CHECK(sums.sum(1) == 10);
    CHECK(sums.sum(2) == 0);
    options.repeat = 7;
    REQUIRE(run(sums.context(), sums.plan(), bindings, options) == Result::ok);
    CHECK(sums.sum(0) == 4);
    CHECK(sums.sum(1) == 30);
    CHECK(sums.sum(2) == 200);
}

TEST_CASE("run: the time of all repeats is more than that of the last one's dispatches, or negative without timestamps") {
    Sums sums;
    const Bindings* bindings = sums.bind(1);
    double total_us = 0, stage_us = 0;
    RunOptions options;
    options.repeat = 20;
    options.total_us = &total_us;
    options.stage_us = &stage_us;
    REQUIRE(run(sums.context(), sums.plan(), bindings, options) == Result::ok);
    CHECK(sums.sum(0) == 20);
    CHECK((total_us > 0) == (stage_us >= 0));
    if (stage_us >= 0) CHECK(total_us >= stage_us);
}

TEST_CASE("a recording moves its inputs, runs its steps and moves its outputs, each time anew") {
    Sums sums;
    const Bindings* first = sums.bind(1);
    const Bindings* second = sums.bind(10);
    const HostTransfer inputs[] = {{sums.summand(0), 0, kCount * sizeof(float)}};
    const HostTransfer outputs[] = {{sums.total(0), 0, sizeof(float)}, {sums.total(1), 8, 2 * sizeof(float)}};
    const RecordingStep steps[] = {{sums.plan(), first}, {sums.plan(), second}, {sums.plan(), first}};
    RecordingDesc desc;
    desc.inputs = inputs;
    desc.steps = steps;
    desc.outputs = outputs;
    Recording* recording = nullptr;
    REQUIRE(create_recording(sums.context(), desc, &recording) == Result::ok);
    float total = sums.sum(0), other = sums.sum(1);
    for (float summand : {3.0f, 5.0f}) {
        float* input = static_cast<float*>(recording_input(recording, 0));
        std::fill(input, input + kCount, summand);
        REQUIRE(run(sums.context(), recording) == Result::ok);
        total += 2 * summand;
        other += 10;
        CHECK(*static_cast<const float*>(recording_output(recording, 0)) == total);
        CHECK(static_cast<const float*>(recording_output(recording, 1))[1] == other);
        CHECK(sums.sum(0) == total);
    }
    CHECK(recording_input(recording, 1) == nullptr);
    CHECK(recording_output(recording, 2) == nullptr);
    destroy_recording(sums.context(), recording);
}

TEST_CASE("a recording that is timed tells how long the device took") {
    Sums sums;
    const RecordingStep steps[] = {{sums.plan(), sums.bind(1)}};
    RecordingDesc desc;
    desc.steps = steps;
    double us = 0;
    for (const bool timed : {false, true}) {
        desc.timed = timed;
        Recording* recording = nullptr;
        REQUIRE(create_recording(sums.context(), desc, &recording) == Result::ok);
        CHECK(recording_us(sums.context(), recording, &us) == (timed ? Result::ok : Result::invalid_argument));
        CHECK(us == (timed ? -1 : 0));  // before the first run
        for (int i = 0; timed && i < 3; ++i) {
            REQUIRE(run(sums.context(), recording) == Result::ok);
            REQUIRE(recording_us(sums.context(), recording, &us) == Result::ok);
            CHECK((us == -1 || (us > 0 && us < 1e7)));
        }
        CHECK(recording_us(sums.context(), nullptr, &us) == Result::invalid_argument);
        CHECK(recording_us(sums.context(), recording, nullptr) == Result::invalid_argument);
        destroy_recording(sums.context(), recording);
    }
    TestDevice::get().take_messages();
}

TEST_CASE("create_recording: what does not fit is refused") {
    Sums sums, others;
    const Bindings* mine = sums.bind(1);
    const HostTransfer transfer[] = {{sums.total(0), 4, kCount * sizeof(float)}};
    const RecordingStep step[] = {{others.plan(), mine}};
    RecordingDesc desc;
    SECTION("an input beyond its buffer") { desc.inputs = transfer; }
    SECTION("an output beyond its buffer") { desc.outputs = transfer; }
    SECTION("bindings of another plan") { desc.steps = step; }
    Recording* recording = nullptr;
    CHECK(create_recording(sums.context(), desc, &recording) == Result::invalid_argument);
    CHECK(recording == nullptr);
    CHECK(TestDevice::get().take_messages().size() == 1);
}

TEST_CASE("copy: several regions between buffers") {
    Sums sums;
    sums.bind(1);
    sums.bind(10);
    constexpr uint64_t kHalf = kCount / 2 * sizeof(float);
    const BufferCopy regions[] = {{sums.summand(1), 0, sums.total(0), 0, kHalf}, {sums.summand(1), kHalf, sums.total(0), kHalf, kHalf}};
    REQUIRE(copy(sums.context(), regions) == Result::ok);
    CHECK(sums.sum(0) == 10);
    const BufferCopy beyond[] = {{sums.summand(1), 4, sums.total(0), 0, kCount * sizeof(float)}};
    CHECK(copy(sums.context(), beyond) == Result::invalid_argument);
    CHECK(TestDevice::get().take_messages().size() == 1);
}

TEST_CASE("run: bindings that are missing or another plan's are refused") {
    Sums sums, others;
    const Bindings* mine = sums.bind(1);
    const Bindings* none = nullptr;
    const Bindings* of_other = others.bind(1);
    const Bindings* mixed[] = {mine, of_other};
    TestDevice::get().take_messages();
    CHECK(run(sums.context(), sums.plan(), Span<const Bindings*>()) == Result::invalid_argument);
    CHECK(to_text(TestDevice::get().take_messages()).find("there are no bindings") != std::string::npos);
    CHECK(run(sums.context(), sums.plan(), none) == Result::invalid_argument);
    CHECK(to_text(TestDevice::get().take_messages()).find("bindings is null") != std::string::npos);
    CHECK(run(sums.context(), sums.plan(), mixed) == Result::invalid_argument);
    CHECK(to_text(TestDevice::get().take_messages()).find("of another plan") != std::string::npos);
    CHECK(sums.sum(0) == 0);
}

}  // namespace
}  // namespace scandium::test

// A host with a device and memory of its own records sequence models' passes into its own command buffers, once each.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "model/device/host_memory.h"
#include "model/device/sequence_case.h"
#include "support/compare.h"

namespace scandium::test {
namespace {

float* contents(const scandium::HostBuffer& buffer) { return reinterpret_cast<float*>(HostMemory::bytes(buffer)); }

VkCommandBuffer recorded(VulkanHost& host, SessionPass pass) {
    const VkCommandBuffer commands = host.make_commands();
    host.begin(commands);
    record(commands, pass.plan, pass.bindings);
    host.end(commands);
    return commands;
}

TEST_CASE("a host's own device, memory and command buffers serve a sequence model") {
    SequenceModelConfig config = odd_sequence_config();
    config.window_size = 9;
    const SequenceCase c(config);
    VulkanHost host;
    HostMemory memory(host);
    {
        const DevicePtr device = host.wrap();
        const std::vector<SequenceWeight> weights = c.named();
        SequenceModelDesc desc = sequence_desc(c);
        desc.device = device.get();
        desc.host = memory.functions();
        desc.weights = {weights.data(), weights.size()};
        SequenceModel* model = nullptr;
        REQUIRE(load_sequence_model(desc, &model) == Result::ok);
        const SequenceModelPtr owned_model(model);
        SequenceStream* stream = nullptr;
        REQUIRE(create_sequence_stream(model, {3, 1}, &stream) == Result::ok);
        const StreamPtr owned_stream(stream);
        SequenceWindow* window = nullptr;
        REQUIRE(create_sequence_window(model, SequenceWindowOptions(), &window) == Result::ok);
        const WindowPtr owned_window(window);

        const size_t embed = c.config.embed_dim, width = c.config.output_size;
        const Vector features = c.features(c.config.window_size, 3);
        std::copy(features.begin(), features.end(), contents(window_buffer(window, WindowBuffer::features)));
        host.submit({recorded(host, window_pass(window))});
        LanguageRef reference = c.reference();
        const VkCommandBuffer step = recorded(host, step_pass(stream));
        Vector expected;
        for (size_t t = 0; t < c.config.window_size; ++t) {
            const Vector now = row_of(features, t, embed);
            std::copy(now.begin(), now.end(), contents(stream_buffer(stream, StreamBuffer::features)));
            host.submit({step});
            expected = reference.step(now);
            const float* out = contents(stream_buffer(stream, StreamBuffer::outputs));
            CAPTURE(t);
            CHECK(relative_rms(std::vector<float>(out, out + width), expected) <= 1e-5);
        }
        const float* last = contents(window_buffer(window, WindowBuffer::outputs));
        CHECK(relative_rms(std::vector<float>(last, last + width), expected) <= 1e-5);
        const uint32_t agent = 0;
        CHECK(reset_agents(stream, {&agent, 1}) == Result::ok);
        CHECK(stream_buffer(stream, StreamBuffer::count).handle == nullptr);
        CHECK(window_buffer(window, WindowBuffer::count).handle == nullptr);
        CHECK(memory.live > 0);
    }
    CHECK(memory.live == 0);
}

}  // namespace
}  // namespace scandium::test

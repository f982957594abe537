// A host with a device and memory of its own: it records the passes into its own command buffers, once each.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "model/device/host_memory.h"
#include "model/device/language_case.h"
#include "support/compare.h"

namespace scandium::test {
namespace {

template <class T>
T* contents(const Session* session, SessionBuffer which) {
    return reinterpret_cast<T*>(HostMemory::bytes(session_buffer(session, which)));
}

TEST_CASE("a host's own device, memory and command buffers serve a model") {
    const LanguageCase c = language_case("lm_mamba2_tiny");
    VulkanHost host;
    HostMemory memory(host);
    {
        const DevicePtr device = host.wrap();
        ModelDesc desc;
        desc.folder = c.folder.c_str();
        desc.device = device.get();
        desc.host = memory.functions();
        Model* model = nullptr;
        REQUIRE(load_model(desc, &model) == Result::ok);
        const ModelPtr owned_model(model);
        SessionOptions options;
        options.chunk = 32;
        Session* session = nullptr;
        REQUIRE(create_session(model, options, &session) == Result::ok);
        const SessionPtr owned_session(session);

        const auto recorded = [&](SessionPass pass, uint64_t seqlen) {
            const VkCommandBuffer commands = host.make_commands();
            host.begin(commands);
            RecordOptions record_options;
            record_options.seqlen = seqlen;
            record(commands, pass.plan, pass.bindings, record_options);
            host.end(commands);
            return commands;
        };
        const auto error_at = [&](SessionBuffer which, size_t row) {
            const float* logits = contents<float>(session, which);
            const auto first = c.logits.begin() + static_cast<std::ptrdiff_t>(row * c.vocab);
            return relative_rms(std::vector<float>(logits, logits + c.vocab),
                                std::vector<double>(first, first + static_cast<std::ptrdiff_t>(c.vocab)));
        };
        std::copy_n(c.ids.begin(), 21, contents<int32_t>(session, SessionBuffer::prompt_tokens));
        *contents<int32_t>(session, SessionBuffer::prompt_row) = 20;
        host.submit({recorded(prefill_pass(session, 0), 21)});
        host.submit({recorded(prompt_logits_pass(session), 0)});
        CHECK(error_at(SessionBuffer::prompt_logits, 20) <= 1e-6);
        const VkCommandBuffer step = recorded(decode_pass(session), 0);
        *contents<int32_t>(session, SessionBuffer::step_slots) = 0;
        for (size_t i = 21; i < 40; ++i) {
            *contents<int32_t>(session, SessionBuffer::step_tokens) = c.ids[i];
            host.submit({step});
            CAPTURE(i);
            CHECK(error_at(SessionBuffer::step_logits, i) <= 2e-6);
        }
        CHECK(prefill_pass(session, 1).plan == nullptr);
        CHECK(every_logits_pass(session).plan == nullptr);
        CHECK(memory.live > 0);
    }
    CHECK(memory.live == 0);
}

}  // namespace
}  // namespace scandium::test

#include "model/device/language_case.h"

#include <catch2/catch_test_macros.hpp>

#include "support/safetensors.h"

namespace scandium::test {
LanguageCase language_case(const std::string& name) {
    LanguageCase c;
    c.name = name;
    const std::string folder = std::string(REFERENCE_CASES) + "/" + name;
    c.folder = name == "lm_shakespeare" ? std::string(SAMPLE_MODELS) + "/shakespeare-mamba2" : folder;
    const StoredFile file = read_safetensors(folder + "/expected.safetensors");
    c.ids = file.at("input_ids").integers();
    c.greedy = file.at("expected.greedy").integers();
    c.logits = file.at("expected.logits").values();
    c.greedy_margin = file.at("expected.greedy_margin").values();
    c.vocab = c.logits.size() / c.ids.size();
    return c;
}

std::string& model_message() {
    static std::string message;
    return message;
}

ModelPtr open_model(const std::string& folder, WeightType weights, MemoryAccess access) {
    TestDevice& device = TestDevice::get();
    ModelDesc desc;
    desc.folder = folder.c_str();
    desc.device = device.device();
    desc.host = model_host(device.context());
    desc.weights = weights;
    desc.access = access;
    desc.diagnostics = [](void*, Result, VkResult, const char* text) { model_message() = text; };
    Model* model = nullptr;
    const Result result = load_model(desc, &model);
    INFO(model_message());
    REQUIRE(result == Result::ok);
    return ModelPtr(model);
}

TestSession::TestSession(const Model* model, const SessionOptions& options) : vocab_(model_config(model).padded_vocab_size) {
    Session* session = nullptr;
    REQUIRE(create_session(model, options, &session) == Result::ok);
    session_.reset(session);
    ModelRunner* runner = nullptr;
    REQUIRE(create_model_runner(TestDevice::get().context(), session, &runner) == Result::ok);
    runner_.reset(runner);
}

std::vector<float> TestSession::every(uint32_t slot, const std::vector<int32_t>& ids) {
    struct Rows {
        size_t vocab;
        std::vector<float> logits;
        std::vector<uint64_t> firsts;
    } rows{vocab_, {}, {}};
    const auto sink = [](void* user, uint64_t first, uint64_t count, const float* logits) {
        Rows& to = *static_cast<Rows*>(user);
        CHECK(first * to.vocab == to.logits.size());
        to.logits.insert(to.logits.end(), logits, logits + count * to.vocab);
        return true;
    };
    REQUIRE(prefill_every(runner(), slot, {ids.data(), ids.size()}, sink, &rows) == Result::ok);
    return rows.logits;
}

std::vector<float> TestSession::last(uint32_t slot, const std::vector<int32_t>& ids) {
    const float* logits = nullptr;
    REQUIRE(prefill(runner(), slot, {ids.data(), ids.size()}, &logits) == Result::ok);
    return std::vector<float>(logits, logits + vocab_);
}

std::vector<float> TestSession::step(const std::vector<int32_t>& tokens, const std::vector<int32_t>& slots) {
    const float* logits = nullptr;
    REQUIRE(decode(runner(), {tokens.data(), tokens.size()}, {slots.data(), slots.size()}, &logits) == Result::ok);
    return std::vector<float>(logits, logits + tokens.size() * vocab_);
}

std::vector<char> TestSession::save(uint32_t slot) {
    std::vector<char> bytes(state_size(get()));
    REQUIRE(save_state(get(), slot, bytes.data(), bytes.size()) == Result::ok);
    return bytes;
}

std::string refused(Result found, Result expected) {
    CHECK(found == expected);
    const std::vector<Message> messages = TestDevice::get().take_messages();
    return messages.empty() ? std::string() : messages.back().text;
}

}  // namespace scandium::test

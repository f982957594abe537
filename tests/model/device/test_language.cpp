// Language models on a device against float64 references, and against themselves.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

#include "model/device/language_case.h"
#include "support/allocation_count.h"
#include "support/compare.h"

namespace scandium::test {
namespace {

// Of two ways through the same model.
constexpr double kAlike = 2e-6;

std::vector<double> row(const std::vector<double>& logits, size_t index, size_t vocab) {
    const auto first = logits.begin() + static_cast<std::ptrdiff_t>(index * vocab);
    return std::vector<double>(first, first + static_cast<std::ptrdiff_t>(vocab));
}

SessionOptions with_chunk(uint32_t chunk, bool every = true) {
    SessionOptions options;
    options.chunk = chunk;
    options.every_logits = every;
    return options;
}

TEST_CASE("logits: f32 weights are within 1e-4 of the reference, 16-bit ones within 1e-2") {
    const LanguageCase c = language_case(GENERATE(from_range(kLanguageCases)));
    const WeightType weights = GENERATE(WeightType::f32, WeightType::bf16, WeightType::f16, WeightType::automatic);
    CAPTURE(c.name, to_string(weights));
    const ModelPtr model = open_model(c.folder, weights);
    if (weights != WeightType::automatic) CHECK(model_info(model.get()).weights == weights);
    TestSession session(model.get(), with_chunk(static_cast<uint32_t>(c.ids.size())));
    const double error = relative_rms(session.every(0, c.ids), c.logits);
    CAPTURE(error);
    CHECK(error <= (weights == WeightType::f32 ? 1e-4 : 1e-2));
    if (weights == WeightType::f32) CHECK(error <= 1e-6);  // which is what there is
}

TEST_CASE("logits: integers of 8 and 4 bits are as far off as their rounding makes them") {
    const LanguageCase c = language_case(GENERATE(from_range(kLanguageCases)));
    const WeightType weights = GENERATE(WeightType::q8, WeightType::q4);
    CAPTURE(c.name, to_string(weights));
    const ModelPtr model = open_model(c.folder, weights);
    TestSession session(model.get(), with_chunk(64));
    const double error = relative_rms(session.every(0, c.ids), c.logits);
    CAPTURE(error);
    CHECK(error > 1e-4);
    CHECK(error <= (weights == WeightType::q8 ? 0.02 : 0.3));
}

TEST_CASE("logits: through descriptors") {
    const LanguageCase c = language_case(GENERATE("lm_mamba1_tiny", "lm_mamba2_tiny"));
    CAPTURE(c.name);
    const ModelPtr model = open_model(c.folder, WeightType::f32, MemoryAccess::descriptor);
    TestSession session(model.get(), with_chunk(40));
    CHECK(relative_rms(session.every(0, c.ids), c.logits) <= 1e-6);
    CHECK(relative_rms(session.step({c.greedy[0]}, {0}), row(c.logits, 0, c.vocab)) > 0);
}

TEST_CASE("prefill: in chunks as in one go") {
    const LanguageCase c = language_case(GENERATE(from_range(kLanguageCases)));
    const uint32_t chunk = GENERATE(1u, 2u, 7u, 33u, 200u);
    CAPTURE(c.name, chunk);
    const ModelPtr model = open_model(c.folder);
    TestSession session(model.get(), with_chunk(chunk));
    CHECK(relative_rms(session.every(0, c.ids), c.logits) <= kAlike);
}

TEST_CASE("prefill then decode as the full forward pass, and greedy continuation") {
    const LanguageCase c = language_case(GENERATE(from_range(kLanguageCases)));
    CAPTURE(c.name);
    const ModelPtr model = open_model(c.folder);
    TestSession session(model.get(), with_chunk(16, false));
    const size_t half = c.ids.size() / 2 + 1;
    std::vector<float> logits = session.last(0, {c.ids.begin(), c.ids.begin() + static_cast<std::ptrdiff_t>(half)});
    CHECK(relative_rms(logits, row(c.logits, half - 1, c.vocab)) <= kAlike);
    for (size_t i = half; i < c.ids.size(); ++i) {
        CAPTURE(i);
        logits = session.step({c.ids[i]}, {0});
        CHECK(relative_rms(logits, row(c.logits, i, c.vocab)) <= kAlike);
    }
    size_t compared = 0;
    for (; compared < c.greedy.size() && c.greedy_margin[compared] > 1e-3; ++compared) {
        const auto largest = std::max_element(logits.begin(), logits.end());
        CAPTURE(compared);
        REQUIRE(static_cast<int32_t>(largest - logits.begin()) == c.greedy[compared]);
        logits = session.step({c.greedy[compared]}, {0});
    }
    CHECK(compared >= 8);
}

// Logits of four steps for each text, of `lengths` tokens before.
std::vector<std::vector<float>> four_steps(TestSession& session, const LanguageCase& c, const std::vector<size_t>& lengths,
                                           const std::vector<int32_t>& slots) {
    for (size_t i = 0; i < slots.size(); ++i) {
        if (slots[i] < 0) continue;
        REQUIRE(reset_state(session.get(), static_cast<uint32_t>(slots[i])) == Result::ok);
        session.last(static_cast<uint32_t>(slots[i]), {c.ids.begin(), c.ids.begin() + static_cast<std::ptrdiff_t>(lengths[i])});
    }
    std::vector<std::vector<float>> rows(slots.size());
    for (size_t k = 0; k < 4; ++k) {
        std::vector<int32_t> tokens;
        for (size_t i = 0; i < slots.size(); ++i) tokens.push_back(slots[i] < 0 ? 0 : c.ids[lengths[i] + k]);
        const std::vector<float> logits = session.step(tokens, slots);
        for (size_t i = 0; i < slots.size(); ++i) {
            const auto first = logits.begin() + static_cast<std::ptrdiff_t>(i * c.vocab);
            rows[i].insert(rows[i].end(), first, first + static_cast<std::ptrdiff_t>(c.vocab));
        }
    }
    return rows;
}

TEST_CASE("decode: a row of a batch, of any slot, has the bits of the row alone") {
    const LanguageCase c = language_case(GENERATE(from_range(kLanguageCases)));
    CAPTURE(c.name);
    const ModelPtr model = open_model(c.folder);
    SessionOptions options = with_chunk(32, false);
    TestSession single(model.get(), options);
    options.slots = 5;
    options.batch = 3;
    TestSession batched(model.get(), options);
    const std::vector<int32_t> slots = {4, 0, 2};
    const std::vector<size_t> lengths = {5, 20, 33};
    const std::vector<std::vector<float>> together = four_steps(batched, c, lengths, slots);
    for (size_t i = 0; i < 3; ++i) {
        CAPTURE(i);
        std::vector<int32_t> only(3, -1);
        only[i] = slots[i];
        CHECK(four_steps(batched, c, lengths, only)[i] == together[i]);
        // A plan for fewer rows may add in another order, except where one kernel serves both.
        const std::vector<float> alone = four_steps(single, c, {lengths[i]}, {0})[0];
        CHECK(relative_rms(alone, together[i]) <= kAlike);
        if (TestDevice::get().caps().device_type == VK_PHYSICAL_DEVICE_TYPE_CPU) CHECK(alone == together[i]);
    }
}

TEST_CASE("decode: a row that is left out changes no state") {
    const LanguageCase c = language_case("lm_mamba2_tiny");
    const ModelPtr model = open_model(c.folder);
    SessionOptions options = with_chunk(32, false);
    options.slots = options.batch = 2;
    TestSession session(model.get(), options);
    session.last(0, c.ids);
    session.last(1, {c.ids.begin(), c.ids.begin() + 9});
    const std::vector<char> before = session.save(0);
    const std::vector<float> one = session.step({c.ids[3], c.ids[9]}, {-1, 1});
    CHECK(session.save(0) == before);
    CHECK(relative_rms(std::vector<float>(one.begin() + static_cast<std::ptrdiff_t>(c.vocab), one.end()), row(c.logits, 9, c.vocab)) <=
          kAlike);
}

TEST_CASE("state: saved, loaded into another session and forked, it goes on with the same bits") {
    const LanguageCase c = language_case(GENERATE(from_range(kLanguageCases)));
    CAPTURE(c.name);
    const ModelPtr model = open_model(c.folder);
    SessionOptions options = with_chunk(32, false);
    options.slots = 3;
    TestSession session(model.get(), options), other(model.get(), with_chunk(8, false));
    const std::vector<int32_t> text(c.ids.begin(), c.ids.begin() + 30);
    const std::vector<char> fresh = session.save(1);
    session.last(1, text);
    const std::vector<char> saved = session.save(1);
    CHECK(saved != fresh);
    REQUIRE(copy_state(session.get(), 1, 2) == Result::ok);
    const std::vector<float> expected = session.step({c.ids[30]}, {1});
    CHECK(session.save(1) != saved);
    CHECK(session.step({c.ids[30]}, {2}) == expected);                                // a fork
    REQUIRE(load_state(session.get(), 1, saved.data(), saved.size()) == Result::ok);  // taken back
    CHECK(session.step({c.ids[30]}, {1}) == expected);
    REQUIRE(load_state(other.get(), 0, saved.data(), saved.size()) == Result::ok);
    CHECK(other.step({c.ids[30]}, {0}) == expected);
    REQUIRE(reset_state(session.get(), 1) == Result::ok);
    CHECK(session.save(1) == fresh);
    CHECK(session.save(0) == fresh);
}

TEST_CASE("state: what does not fit is refused, with the size that differs") {
    const ModelPtr model = open_model(language_case("lm_mamba2_tiny").folder), wide = open_model(language_case("lm_shakespeare").folder);
    TestSession session(model.get(), with_chunk(4, false)), other(wide.get(), with_chunk(4, false));
    std::vector<char> bytes = session.save(0);
    using Catch::Matchers::ContainsSubstring;
    const auto says = [](Result result, const char* words) {
        CHECK(result == Result::invalid_argument);
        CHECK_THAT(model_message(), ContainsSubstring(words));
    };
    says(load_state(session.get(), 1, bytes.data(), bytes.size()), "slot is 1");
    says(load_state(session.get(), 0, bytes.data(), bytes.size() - 1), "size is");
    says(load_state(session.get(), 0, nullptr, bytes.size()), "null");
    says(copy_state(session.get(), 0, 1), "slot is 1");
    says(save_state(session.get(), 7, bytes.data(), bytes.size()), "slot is 7");
    CHECK(reset_state(nullptr, 0) == Result::invalid_argument);
    // Of a state's header alone is known what it is of.
    bytes.resize(state_size(other.get()));
    says(load_state(other.get(), 0, bytes.data(), bytes.size()), "number of layers is 2, but the model's is 6");
    bytes[0] = 'x';
    says(load_state(other.get(), 0, bytes.data(), bytes.size()), "no saved state");
}

TEST_CASE("runner: wrong tokens and slots are refused with a sentence") {
    const LanguageCase c = language_case("lm_mamba1_tiny");
    const ModelPtr model = open_model(c.folder);
    SessionOptions options = with_chunk(8, false);
    options.slots = options.batch = 2;
    TestSession session(model.get(), options);
    const float* logits = nullptr;
    const auto prefill_of = [&](uint32_t slot, std::vector<int32_t> tokens) {
        return refused(prefill(session.runner(), slot, {tokens.data(), tokens.size()}, &logits));
    };
    const auto decode_of = [&](std::vector<int32_t> tokens, std::vector<int32_t> slots) {
        return refused(decode(session.runner(), {tokens.data(), tokens.size()}, {slots.data(), slots.size()}, &logits));
    };
    using Catch::Matchers::ContainsSubstring;
    CHECK_THAT(prefill_of(2, {1}), ContainsSubstring("slot is 2"));
    CHECK_THAT(prefill_of(0, {}), ContainsSubstring("no tokens"));
    CHECK_THAT(prefill_of(0, {1, 256}), ContainsSubstring("token 1 is 256"));
    CHECK_THAT(decode_of({1}, {0}), ContainsSubstring("the batch is 2"));
    CHECK_THAT(decode_of({1, 2}, {1, 1}), ContainsSubstring("two rows"));
    CHECK_THAT(decode_of({1, 2}, {0, 2}), ContainsSubstring("slot 2 of row 1"));
    CHECK_THAT(decode_of({1, -1}, {0, 1}), ContainsSubstring("is -1"));
    const auto sink = [](void*, uint64_t, uint64_t, const float*) { return true; };
    CHECK_THAT(refused(prefill_every(session.runner(), 0, {c.ids.data(), 1}, sink, nullptr)), ContainsSubstring("every_logits"));
    session.step({1, 2}, {1, 0});  // nothing of the above has left a trace
}

TEST_CASE("load_model: progress goes up to all bytes, and may give up") {
    const LanguageCase c = language_case("lm_mamba2_tiny");
    struct Told {
        std::vector<uint64_t> done;
        uint64_t total = 0, most = ~uint64_t(0);
        std::string message;
    } told;
    TestDevice& device = TestDevice::get();
    ModelDesc desc;
    desc.folder = c.folder.c_str();
    desc.device = device.device();
    desc.host = model_host(device.context());
    desc.progress_user = desc.diagnostics_user = &told;
    desc.progress = [](void* user, uint64_t done, uint64_t total) {
        Told& to = *static_cast<Told*>(user);
        to.done.push_back(done);
        to.total = total;
        return done < to.most;
    };
    desc.diagnostics = [](void* user, Result, VkResult, const char* text) { static_cast<Told*>(user)->message = text; };
    Model* model = nullptr;
    REQUIRE(load_model(desc, &model) == Result::ok);
    destroy_model(model);
    REQUIRE(!told.done.empty());
    CHECK(std::is_sorted(told.done.begin(), told.done.end()));
    CHECK(told.done.back() == told.total);
    told.most = told.total / 2;
    CHECK(load_model(desc, &model) == Result::invalid_argument);
    CHECK(model == nullptr);
    CHECK_THAT(told.message, Catch::Matchers::ContainsSubstring("given up"));
    const std::string missing = c.folder + "/nothing";
    desc.folder = missing.c_str();
    CHECK(load_model(desc, &model) == Result::invalid_argument);
}

TEST_CASE("decode: nothing is allocated for a token beyond what the driver takes to submit") {
    if (!can_count_allocations()) SKIP("allocations cannot be counted here");
    if (TestDevice::get().validates()) SKIP("the validation layers allocate for each dispatch that is submitted");
    const LanguageCase c = language_case("lm_mamba2_tiny");
    const ModelPtr model = open_model(c.folder);
    TestSession session(model.get(), with_chunk(8, false));
    Context* context = TestDevice::get().context();
    Recording* nothing = nullptr;
    REQUIRE(create_recording(context, RecordingDesc(), &nothing) == Result::ok);
    const float* logits = nullptr;
    const int32_t token = c.ids[0], slot = 0;
    const auto allocations = [](auto&& work) {
        REQUIRE(work() == Result::ok);  // the first may be another
        const uint64_t before = allocation_count();
        bool fine = true;
        for (int i = 0; i < 5; ++i) fine = fine && work() == Result::ok;
        const uint64_t count = allocation_count() - before;
        REQUIRE(fine);
        return count;
    };
    const uint64_t of_submitting = allocations([&] { return run(context, nothing); });
    CHECK(allocations([&] { return decode(session.runner(), {&token, 1}, {&slot, 1}, &logits); }) <= of_submitting);
    destroy_recording(context, nothing);
}

TEST_CASE("load_model: random weights are the same each time, and give finite logits") {
    ModelConfig config = model_config(open_model(language_case("lm_mamba2_tiny").folder).get());
    const WeightType weights = GENERATE(WeightType::f32, WeightType::bf16, WeightType::q8, WeightType::q4);
    CAPTURE(to_string(weights));
    ModelDesc desc;
    desc.random_model = &config;
    desc.device = TestDevice::get().device();
    desc.host = model_host(TestDevice::get().context());
    desc.weights = weights;
    std::vector<float> first;
    for (int i = 0; i < 2; ++i) {
        Model* model = nullptr;
        REQUIRE(load_model(desc, &model) == Result::ok);
        const ModelPtr owned(model);
        TestSession session(model, with_chunk(8, false));
        const std::vector<float> logits = session.last(0, {1, 2, 3, 4, 5, 6, 7, 8, 9});
        CHECK(std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); }));
        CHECK(*std::max_element(logits.begin(), logits.end()) > 0);
        if (i == 0) first = logits;
        CHECK(logits == first);
    }
    config.d_ssm += 1;
    Model* model = nullptr;
    CHECK(load_model(desc, &model) == Result::invalid_argument);
}

TEST_CASE("create_session: options out of range are refused") {
    const ModelPtr model = open_model(language_case("lm_mamba2_tiny").folder);
    Session* session = nullptr;
    SessionOptions options;
    SECTION("slots") { options.slots = 0; }
    SECTION("batch") { options.batch = 2; }
    SECTION("chunk") { options.chunk = 0; }
    CHECK(create_session(model.get(), options, &session) == Result::invalid_argument);
    CHECK(session == nullptr);
}

}  // namespace
}  // namespace scandium::test

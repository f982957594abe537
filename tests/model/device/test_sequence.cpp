// Sequence models on a device: against a float64 recurrence, and against themselves.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "model/device/sequence_case.h"
#include "support/allocation_count.h"
#include "support/compare.h"

namespace scandium::test {
namespace {

// Random weights dampen no rounding error, as trained ones do.
constexpr double kTolerance = 1e-5;

SequenceModelConfig with_mode(SequenceModelConfig config, SequenceMode mode) {
    config.mode = mode;
    return config;
}

SequenceModelConfig wide_heads() {
    SequenceModelConfig config = throughput_sequence_config(33, 1);
    config.hidden_size = 64;
    config.state_size = 64;
    config.num_layers = 1;
    config.window_size = 130;
    return config;
}

SequenceModelConfig small_heads() {
    SequenceModelConfig config = real_time_sequence_config(1, 9);
    config.hidden_size = 18;
    config.expand_factor = 3;
    config.headdim = 9;
    config.conv_size = 2;
    config.window_size = 1;
    return config;
}

// Outputs of the reference for (batch, count) feature vectors: (batch, count, output_size).
Vector expected_outputs(const SequenceCase& c, const Vector& features, size_t batch) {
    const size_t width = c.config.embed_dim, count = features.size() / width / batch;
    Vector expected;
    for (size_t i = 0; i < batch; ++i) {
        LanguageRef reference = c.reference();
        for (size_t t = 0; t < count; ++t) {
            const Vector out = reference.step(row_of(features, i * count + t, width));
            expected.insert(expected.end(), out.begin(), out.end());
        }
    }
    return expected;
}

// Of (batch, count, width) those of index t.
template <class T>
std::vector<T> at_time(const std::vector<T>& values, size_t batch, size_t t, size_t width) {
    const size_t count = values.size() / width / batch;
    std::vector<T> rows;
    for (size_t i = 0; i < batch; ++i) {
        const std::vector<T> row = row_of(values, i * count + t, width);
        rows.insert(rows.end(), row.begin(), row.end());
    }
    return rows;
}

TEST_CASE("sequence: windows and steps are the float64 recurrence, in every mode") {
    const auto [name, config] =
        GENERATE(std::pair<const char*, SequenceModelConfig>("odd, recurrent", with_mode(odd_sequence_config(), SequenceMode::recurrent)),
                 std::pair<const char*, SequenceModelConfig>("odd, chunked", with_mode(odd_sequence_config(), SequenceMode::chunked)),
                 std::pair<const char*, SequenceModelConfig>("odd, automatic", with_mode(odd_sequence_config(), SequenceMode::automatic)),
                 std::pair<const char*, SequenceModelConfig>("wide heads, several chunks", wide_heads()),
                 std::pair<const char*, SequenceModelConfig>("small heads, a window of one", small_heads()));
    CAPTURE(name);
    const SequenceCase c(config);
    const size_t batch = 3, window = c.config.window_size, embed = c.config.embed_dim, width = c.config.output_size;
    const SequenceModelPtr model = open_sequence(c);
    const Vector features = c.features(batch * window, 5);
    const Vector expected = expected_outputs(c, features, batch);
    CHECK(relative_rms(run_window(model.get(), batch, true, features), expected) <= kTolerance);
    CHECK(relative_rms(run_window(model.get(), batch, false, features), at_time(expected, batch, window - 1, width)) <= kTolerance);
    TestStream stream(model.get(), batch);
    for (size_t t = 0; t < window; ++t) {
        CAPTURE(t);
        CHECK(relative_rms(stream.step(at_time(features, batch, t, embed)), at_time(expected, batch, t, width)) <= kTolerance);
    }
}

TEST_CASE("sequence: step by step as the window, and what came before counts") {
    const SequenceCase c(odd_sequence_config());
    const size_t batch = 4, window = c.config.window_size;
    const SequenceModelPtr model = open_sequence(c);
    const Vector features = c.features(batch * window, 6);
    const std::vector<float> at_once = run_window(model.get(), batch, true, features);
    TestStream stream(model.get(), batch);
    std::vector<float> last;
    for (size_t t = 0; t < window; ++t) {
        CAPTURE(t);
        last = stream.step(at_time(features, batch, t, c.config.embed_dim));
        CHECK(relative_rms(last, at_time(at_once, batch, t, c.config.output_size)) <= 2e-6);
    }
    // A state that was not carried would give this for the same features.
    TestStream fresh(model.get(), batch);
    CHECK(relative_rms(fresh.step(at_time(features, batch, window - 1, c.config.embed_dim)), last) > 0.01);
}

TEST_CASE("sequence: through descriptors") {
    const SequenceCase c(odd_sequence_config());
    const SequenceModelPtr model = open_sequence(c, WeightType::f32, MemoryAccess::descriptor);
    const Vector features = c.features(c.config.window_size, 7), expected = expected_outputs(c, features, 1);
    CHECK(relative_rms(run_window(model.get(), 1, true, features), expected) <= kTolerance);
    TestStream stream(model.get(), 2);
    for (size_t t = 0; t < 5; ++t) {
        const std::vector<float> out = stream.step(c.features(2, t + 1), {2, 0}, {1, -1});  // a fresh one each time
        CHECK(relative_rms(row_of(out, 0, 5), expected_outputs(c, row_of(c.features(2, t + 1), 0, 7), 1)) <= kTolerance);
    }
}

TEST_CASE("sequence: 16-bit and integer weights are as far off as their rounding makes them") {
    SequenceModelConfig config = real_time_sequence_config(32, 16);
    config.hidden_size = 64;
    config.window_size = 24;
    config.mode = SequenceMode::automatic;
    const SequenceCase c(config);
    const auto [type, most] = GENERATE(std::pair(WeightType::f16, 3e-3), std::pair(WeightType::bf16, 1.5e-2),
                                       std::pair(WeightType::q8, 3e-2), std::pair(WeightType::q4, 0.4));
    CAPTURE(to_string(type));
    const SequenceModelPtr model = open_sequence(c, type);
    CHECK(sequence_model_info(model.get()).weights == type);
    const Vector features = c.features(2 * 24, 8), expected = expected_outputs(c, features, 2);
    const double error = relative_rms(run_window(model.get(), 2, true, features), expected);
    CAPTURE(error);
    CHECK(error <= most);
    CHECK(error > 1e-5);
    TestStream stream(model.get(), 2);
    std::vector<float> steps;
    for (size_t t = 0; t < 24; ++t) steps = stream.step(at_time(features, 2, t, 32));
    CHECK(relative_rms(steps, at_time(expected, 2, 23, 16)) <= most);
}

TEST_CASE("stream: a row of a batch, of any agent, has the bits of the row alone") {
    const SequenceCase c(odd_sequence_config());
    const SequenceModelPtr model = open_sequence(c);
    const std::vector<int32_t> agents = {11, 0, 7, 39, 20};
    TestStream together(model.get(), 40, 5), apart(model.get(), 40, 5), single(model.get(), 1);
    for (size_t t = 0; t < 6; ++t) {
        const Vector features = c.features(5, 100 + t);
        const std::vector<float> all = together.step(features, agents);
        for (size_t i = 0; i < agents.size(); ++i) {
            std::vector<int32_t> only(5, -1);
            only[i] = agents[i];
            CHECK(row_of(apart.step(features, only), i, 5) == row_of(all, i, 5));
        }
        const std::vector<float> alone = single.step(row_of(features, 2, c.config.embed_dim));
        // A plan for fewer rows may add in another order, except where one kernel serves both.
        CHECK(relative_rms(alone, row_of(all, 2, 5)) <= 2e-6);
        if (TestDevice::get().caps().device_type == VK_PHYSICAL_DEVICE_TYPE_CPU) CHECK(alone == row_of(all, 2, 5));
    }
}

TEST_CASE("stream: many agents are many single ones") {
    const SequenceCase c(odd_sequence_config());
    const SequenceModelPtr model = open_sequence(c);
    constexpr size_t kAgents = 300;
    TestStream stream(model.get(), kAgents);
    std::vector<LanguageRef> references(kAgents, c.reference());
    for (size_t t = 0; t < 4; ++t) {
        const Vector features = c.features(kAgents, 200 + t);
        Vector expected;
        for (size_t i = 0; i < kAgents; ++i) {
            const Vector out = references[i].step(row_of(features, i, c.config.embed_dim));
            expected.insert(expected.end(), out.begin(), out.end());
        }
        CHECK(relative_rms(stream.step(features), expected) <= kTolerance);
    }
}

std::vector<std::vector<char>> all_states(const TestStream& stream, uint32_t agents) {
    std::vector<std::vector<char>> states;
    for (uint32_t i = 0; i < agents; ++i) states.push_back(stream.save(i));
    return states;
}

TEST_CASE("stream: agents that are reset begin anew, and the others keep their bits") {
    const SequenceCase c(odd_sequence_config());
    const SequenceModelPtr model = open_sequence(c);
    constexpr uint32_t kAgents = 6;
    TestStream stream(model.get(), kAgents), untouched(model.get(), kAgents), fresh(model.get(), kAgents);
    const std::vector<std::vector<char>> before_any = all_states(stream, kAgents);
    for (size_t t = 0; t < 5; ++t) {
        stream.step(c.features(kAgents, t));
        untouched.step(c.features(kAgents, t));
    }
    const Vector features = c.features(kAgents, 9);
    const auto check = [&](const std::vector<float>& found) {
        const std::vector<float> of_old = untouched.step(features), of_new = fresh.step(features);
        for (uint32_t i = 0; i < kAgents; ++i) {
            CAPTURE(i);
            const bool was_reset = i == 1 || i == 4;
            CHECK(row_of(found, i, 5) == row_of(was_reset ? of_new : of_old, i, 5));
            CHECK(row_of(found, i, 5) != row_of(was_reset ? of_old : of_new, i, 5));
            CHECK(stream.save(i) == (was_reset ? fresh : untouched).save(i));
        }
    };
    SECTION("within a step") { check(stream.step(features, {0, kAgents, 2, 3, kAgents, 5}, {0, 1, 2, 3, 4, 5})); }
    SECTION("from the host") {
        const std::vector<std::vector<char>> before = all_states(stream, kAgents);
        const uint32_t agents[] = {4, 1, 4};
        REQUIRE(reset_agents(stream.get(), agents) == Result::ok);
        for (uint32_t i = 0; i < kAgents; ++i) CHECK(stream.save(i) == (i == 1 || i == 4 ? before_any : before)[i]);
        check(stream.step(features));
    }
}

TEST_CASE("stream: a row that is left out changes no state") {
    const SequenceCase c(odd_sequence_config());
    const SequenceModelPtr model = open_sequence(c);
    TestStream stream(model.get(), 3);
    for (size_t t = 0; t < 3; ++t) stream.step(c.features(3, t));
    const std::vector<std::vector<char>> before = all_states(stream, 3);
    stream.step(c.features(3, 4), {0, -1, 2}, {-1, 1, 2});
    CHECK(stream.save(0) == before[0]);
    CHECK(stream.save(1) == before[1]);
    CHECK(stream.save(2) != before[2]);
}

TEST_CASE("stream: a state goes on with the same bits after a copy, a fork within a step, and as bytes") {
    const SequenceCase c(odd_sequence_config());
    const SequenceModelPtr model = open_sequence(c);
    TestStream stream(model.get(), 4, 1), other(model.get(), 2, 1);
    for (size_t t = 0; t < 4; ++t) stream.step(c.features(1, t), {0});
    const std::vector<char> saved = stream.save(0);
    REQUIRE(copy_agent(stream.get(), 0, 3) == Result::ok);
    const Vector features = c.features(1, 50);
    const std::vector<float> forked = stream.step(features, {0}, {2});
    CHECK(stream.save(0) == saved);
    const std::vector<float> expected = stream.step(features, {0});
    CHECK(forked == expected);
    CHECK(stream.save(2) == stream.save(0));
    CHECK(stream.step(features, {3}) == expected);
    REQUIRE(load_agent(other.get(), 1, saved.data(), saved.size()) == Result::ok);
    CHECK(other.step(features, {1}) == expected);
    REQUIRE(load_agent(stream.get(), 0, saved.data(), saved.size()) == Result::ok);  // taken back
    CHECK(stream.step(features, {0}) == expected);
}

TEST_CASE("stream: nothing is allocated for a step beyond what the driver takes to submit") {
    if (!can_count_allocations()) SKIP("allocations cannot be counted here");
    if (TestDevice::get().validates()) SKIP("the validation layers allocate for each dispatch that is submitted");
    const SequenceCase c(odd_sequence_config());
    const SequenceModelPtr model = open_sequence(c);
    TestStream stream(model.get(), 64);
    Context* context = TestDevice::get().context();
    Recording* nothing = nullptr;
    REQUIRE(create_recording(context, RecordingDesc(), &nothing) == Result::ok);
    const auto allocations = [&](const Recording* recording) {
        REQUIRE(run(context, recording) == Result::ok);  // the first may be another
        const uint64_t before = allocation_count();
        bool fine = true;
        for (int i = 0; i < 5; ++i) fine = fine && run(context, recording) == Result::ok;
        const uint64_t count = allocation_count() - before;
        REQUIRE(fine);
        return count;
    };
    const uint64_t of_submitting = allocations(nothing);
    CHECK(allocations(stream.recording()) <= of_submitting);
    destroy_recording(context, nothing);
}

}  // namespace
}  // namespace scandium::test

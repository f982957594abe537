// The program on a device.
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <sys/wait.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iterator>

#include "command_line.h"
#include "files.h"

using namespace scandium;
using namespace scandium::program;
using Catch::Matchers::ContainsSubstring;

namespace {

const char* const kCases[] = {"ssd_basic",        "ssd_one_token", "ssd_ragged_tail", "ssd_groups",    "ssd_all_options", "ssd_packed",
                              "ssd_strong_decay", "ssd_f16",       "ssd_bf16",        "ssd_odd_sizes", "ssd_wide_state",  "ssd_long"};

// Runs `name` after `change`, with the given arguments after its path.
template <class F>
Outcome run_changed(const std::string& name, F change, std::vector<std::string> arguments) {
    const TempFolder folder;
    const std::string path = folder.path("changed.safetensors");
    EditableCase changed(reference_case(name));
    change(changed);
    changed.save(path);
    arguments.insert(arguments.begin(), {"run", path});
    return run_program(arguments);
}

bool is_json(const std::string& text) {
    rapidjson::MemoryStream stream(text.data(), text.size());
    rapidjson::BaseReaderHandler<> ignore;
    return !rapidjson::Reader().Parse<rapidjson::kParseValidateEncodingFlag>(stream, ignore).IsError();
}

}  // namespace

TEST_CASE("all reference cases pass") {
    need_device();
    std::vector<std::string> arguments = {"run", "--check"};
    for (const char* name : kCases) arguments.push_back(reference_case(name));
    const Outcome outcome = run_program(arguments);
    INFO(outcome.out << outcome.err);
    CHECK(outcome.code == 0);
    CHECK(outcome.err.empty());
    CHECK_THAT(outcome.out, ContainsSubstring("12 cases, 0 failed"));
}

// Made here: weights of -8 to 7 in 4 bits, with one scale to a row.
TEST_CASE("a linear layer with weights of 4 bits") {
    need_device();
    const TempFolder folder;
    EditableCase made(reference_case("swiglu_basic"));
    made.tensors.clear();
    made.metadata = {{"op", "linear"}, {"format", "q4"}};
    const auto add = [&](const char* name, ElementType type, uint64_t rows, uint64_t columns) -> EditableCase::Tensor& {
        return made.tensors[name] = {type, {rows, columns}, std::vector<std::byte>(rows * columns * 4)};
    };
    EditableCase::Tensor &x = add("x", ElementType::f32, 2, 32), &weight = add("weight", ElementType::i32, 3, 4);
    EditableCase::Tensor &scales = add("scales", ElementType::f32, 3, 1), &y = add("expected.y", ElementType::f32, 2, 3);
    for (size_t i = 0; i < 64; ++i) x.set(i, static_cast<float>(i % 7));
    for (size_t i = 0; i < 12; ++i) weight.set(i, static_cast<uint32_t>(0x76543210u + i * 0x11111111u));
    for (size_t o = 0; o < 3; ++o) scales.set(o, static_cast<float>(o + 1));
    for (size_t r = 0; r < 2; ++r)
        for (size_t o = 0; o < 3; ++o) {
            double sum = 0;
            for (size_t k = 0; k < 32; ++k) {
                const int nibble = static_cast<int>(weight.get<uint32_t>(o * 4 + k / 8) >> (k % 8 * 4) & 15u);
                sum += static_cast<double>(x.get<float>(r * 32 + k)) * (nibble - 8) * static_cast<double>(o + 1);
            }
            y.set(r * 3 + o, static_cast<float>(sum));
        }
    const std::string path = folder.path("linear.safetensors");
    made.save(path);
    const Outcome outcome = run_program({"run", path, "--check"});
    INFO(outcome.out << outcome.err);
    CHECK(outcome.code == 0);
    CHECK_THAT(outcome.out, ContainsSubstring("in_features 32, q4"));
}

TEST_CASE("a wrong expectation fails the check") {
    need_device();
    for (const char* output : {"expected.y", "expected.final_states"}) {
        const Outcome outcome = run_changed("ssd_basic", [&](EditableCase& c) { c.tensors[output].set(17, 1000.0f); }, {"--check"});
        INFO(outcome.out << outcome.err);
        CHECK(outcome.code == 1);
        CHECK(outcome.err.empty());
        CHECK_THAT(outcome.out, ContainsSubstring("FAIL") && !ContainsSubstring("PASS"));
    }
    // One failure among cases that pass is enough.
    const TempFolder folder;
    EditableCase changed(reference_case("ssd_basic"));
    changed.tensors["expected.y"].set(0, 1000.0f);
    changed.save(folder.path("wrong"));
    const Outcome outcome =
        run_program({"run", reference_case("ssd_basic"), folder.path("wrong"), reference_case("ssd_one_token"), "--check"});
    CHECK(outcome.code == 1);
    CHECK_THAT(outcome.out, ContainsSubstring("3 cases, 1 failed"));
}

TEST_CASE("where zeros are expected, nothing else passes") {
    need_device();
    const auto zero_expected = [](EditableCase& c) {
        c.tensors["expected.y"].data.assign(c.tensors["expected.y"].data.size(), std::byte(0));
    };
    CHECK(run_changed("ssd_one_token", zero_expected, {"--check", "--tolerance", "1e30"}).code == 1);
    const auto all_zero = [&](EditableCase& c) {
        zero_expected(c);
        c.tensors["x"].data.assign(c.tensors["x"].data.size(), std::byte(0));
        c.tensors.erase("expected.final_states");
    };
    CHECK(run_changed("ssd_one_token", all_zero, {"--check", "--tolerance", "0"}).code == 0);
}

TEST_CASE("results that are not numbers fail the check") {
    need_device();
    const auto poison = [](EditableCase& c) { c.tensors["x"].set(5, std::nanf("")); };
    const Outcome outcome = run_changed("ssd_basic", poison, {"--check", "--tolerance", "1e30"});
    INFO(outcome.out << outcome.err);
    CHECK(outcome.code == 1);
    CHECK_THAT(outcome.out, ContainsSubstring("NaN, infinite or unwritten"));
    // The same in what is expected is a mistake of the case.
    const auto nonsense = [](EditableCase& c) { c.tensors["expected.y"].set(5, std::nanf("")); };
    CHECK(run_changed("ssd_basic", nonsense, {"--check"}).code == 2);
}

TEST_CASE("the tolerance decides") {
    need_device();
    CHECK(run_program({"run", reference_case("ssd_bf16"), "--check", "--tolerance", "1e-9"}).code == 1);
    CHECK(run_program({"run", reference_case("ssd_bf16"), "--check", "--tolerance", "0.5"}).code == 0);
}

TEST_CASE("outputs are written under their names") {
    need_device();
    const TempFolder folder;
    const std::string path = folder.path("out.safetensors");
    const Outcome outcome = run_program({"run", reference_case("ssd_bf16"), "-o", path});
    INFO(outcome.out << outcome.err);
    REQUIRE(outcome.code == 0);
    CHECK(folder.file_count() == 1);
    const SafetensorsFile file(path);
    CHECK(file.entries().size() == 2);
    CHECK(file.metadata().at("op") == "ssd");
    REQUIRE(file.find("y"));
    CHECK(file.find("y")->type == ElementType::bf16);
    CHECK(file.find("y")->shape == std::vector<uint64_t>{1, 256, 2, 64});
    REQUIRE(file.find("final_states"));
    CHECK(file.find("final_states")->type == ElementType::f32);
    CHECK(file.find("final_states")->shape == std::vector<uint64_t>{1, 2, 64, 128});
}

TEST_CASE("what is written is what was computed") {
    need_device();
    const TempFolder folder;
    const std::string path = folder.path("out.safetensors");
    REQUIRE(run_program({"run", reference_case("ssd_ragged_tail"), "-o", path}).code == 0);
    const EditableCase written(path), original(reference_case("ssd_ragged_tail"));
    for (const char* name : {"y", "final_states"}) {
        const auto &got = written.tensors.at(name), &wanted = original.tensors.at(std::string("expected.") + name);
        REQUIRE(got.type == ElementType::f32);
        REQUIRE(got.data.size() == wanted.data.size());
        double largest = 0, furthest = 0;
        for (size_t i = 0; i < got.data.size() / 4; ++i) {
            largest = std::max(largest, std::fabs(double(wanted.get<float>(i))));
            furthest = std::max(furthest, std::fabs(double(got.get<float>(i)) - double(wanted.get<float>(i))));
        }
        CHECK(furthest < 1e-5 * largest);
    }
}

TEST_CASE("the states' type is an option") {
    need_device();
    const TempFolder folder;
    const std::string path = folder.path("out.safetensors");
    const auto half = [](EditableCase& c) { c.metadata["state_dtype"] = "f16"; };
    const Outcome outcome = run_changed("ssd_basic", half, {"--check", "-o", path});
    INFO(outcome.out << outcome.err);
    CHECK(outcome.code == 0);
    const SafetensorsFile file(path);
    CHECK(file.find("y")->type == ElementType::f32);
    CHECK(file.find("final_states")->type == ElementType::f16);
}

TEST_CASE("sequences packed by cu_seqlens give the same y, and a state each") {
    need_device();
    const TempFolder folder;
    const std::string path = folder.path("out.safetensors");
    size_t sequences = 0;
    const auto pack = [&](EditableCase& c) {
        std::vector<int32_t> starts;
        for (int32_t i = 0; i < 150; ++i)
            if (i == 0 || c.tensors["seq_idx"].get<int32_t>(size_t(i)) != c.tensors["seq_idx"].get<int32_t>(size_t(i) - 1))
                starts.push_back(i);
        sequences = starts.size();
        starts.push_back(150);
        EditableCase::Tensor tensor{ElementType::i32, {starts.size()}, std::vector<std::byte>(4 * starts.size())};
        for (size_t i = 0; i < starts.size(); ++i) tensor.set(i, starts[i]);
        c.tensors["cu_seqlens"] = tensor;
        c.tensors.erase("seq_idx");
        c.tensors.erase("expected.final_states");
    };
    const Outcome outcome = run_changed("ssd_packed", pack, {"--check", "-o", path});
    INFO(outcome.out << outcome.err);
    REQUIRE(outcome.code == 0);
    REQUIRE(sequences > 1);
    CHECK(SafetensorsFile(path).find("final_states")->shape == std::vector<uint64_t>{sequences, 2, 32, 32});
}

TEST_CASE("JSON is all that --json prints on standard output") {
    need_device();
    const Outcome devices = run_program({"devices", "--json"});
    CHECK(devices.code == 0);
    CHECK(is_json(devices.out));
    const Outcome run = run_program({"run", reference_case("ssd_basic"), reference_case("ssd_f16"), "--check", "--repeat", "3", "--json"});
    INFO(run.out << run.err);
    CHECK(run.code == 0);
    CHECK(is_json(run.out));
    // A file's name may be anything.
    const TempFolder folder;
    const std::string odd = folder.path("\xff\xc3.\xed\xa0\x80");
    write_bytes(odd, read_bytes(reference_case("norm_plain")));
    CHECK(is_json(run_program({"run", odd, "--json"}).out));
    CHECK_THAT(run.out, ContainsSubstring("\"failed\": 0") && ContainsSubstring("\"result\": \"PASS\""));
    CHECK(run.error_lines() == 2);
}

TEST_CASE("pipelines are kept in the user's folder for caches, in a file of one's own, or not at all") {
    need_device();
    const TempFolder folder;
    const std::string file = folder.path("pipelines"), caches = folder.path("caches");
    const auto run = [&](std::vector<std::string> options) {
        options.insert(options.begin(), {"run", reference_case("norm_plain"), "--check"});
        const Outcome outcome = run_program(options, caches);
        INFO(outcome.out);
        CHECK(outcome.code == 0);
        return outcome.err;
    };
    CHECK(run({"--pipeline-cache", "none"}) == "");
    CHECK(run({"--pipeline-cache", file}) == "");
    CHECK(std::filesystem::exists(file));
    const std::string kept = read_bytes(file);
    CHECK(kept.size() > 100);
    CHECK(run({"--pipeline-cache", file}) == "");
    // What was asked for and cannot be is told, and no reason to fail.
    write_bytes(file, kept.substr(0, 90));
    CHECK_THAT(run({"--pipeline-cache", file}), ContainsSubstring("compiled anew"));
    CHECK_THAT(run({"--pipeline-cache", folder.path("no folder/file")}), ContainsSubstring("cannot be written"));

    CHECK(run({}) == "");
    REQUIRE(std::filesystem::is_directory(caches + "/scandium"));
    CHECK(std::filesystem::status(caches + "/scandium").permissions() == std::filesystem::perms::owner_all);
    REQUIRE(std::distance(std::filesystem::directory_iterator(caches + "/scandium"), {}) == 1);
    const std::filesystem::path own = std::filesystem::directory_iterator(caches + "/scandium")->path();
    write_bytes(own.string(), "no such thing");
    CHECK(run({}) == "");
    CHECK(read_bytes(own.string()).size() > 100);
    std::filesystem::remove_all(caches);
    write_bytes(caches, "no folder");
    CHECK_THAT(run({}), !ContainsSubstring("scandium:"));  // a driver may say something
}

// A driver's files would have its number else, and what is printed would go there.
TEST_CASE("a standard output that is closed is an error") {
    need_device();
    const std::string command = SCANDIUM_PROGRAM " run '" + reference_case("ssd_one_token") + "' >&- 2>&-";
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 2);
}

TEST_CASE("a device that is not there is said to be missing") {
    need_device();
    for (const char* device : {"999", "no such device"}) {
        const Outcome outcome = run_program({"run", reference_case("ssd_basic"), "--device", device});
        INFO(outcome.err);
        CHECK(outcome.code == 3);
        CHECK(outcome.error_lines() == 1);
    }
}

TEST_CASE("what the device cannot run is said, and the other cases run") {
    need_device();
    // Matrix units would round f32 inputs, so no device is asked to.
    const Outcome one = run_program({"run", reference_case("ssd_basic"), "--check", "--variant", "coopmat"});
    INFO(one.out << one.err);
    CHECK(one.code == 3);
    CHECK(one.error_lines() == 1);
    CHECK_THAT(one.err, ContainsSubstring("coopmat"));
    const Outcome two = run_program({"run", reference_case("ssd_basic"), reference_case("ssd_one_token"), "--variant", "coopmat"});
    CHECK(two.code == 3);
    CHECK_THAT(two.out, ContainsSubstring("2 cases, 0 failed, 2 could not run"));
}

TEST_CASE("algorithm, memory access and chunk size can be forced") {
    need_device();
    const std::string path = reference_case("ssd_all_options");
    for (const std::vector<std::string>& choice : {std::vector<std::string>{"--algorithm", "chunked"},
                                                   {"--algorithm", "recurrent"},
                                                   {"--access", "descriptor"},
                                                   {"--chunk-size", "16", "--algorithm", "chunked"},
                                                   {"--chunk-size", "auto"},
                                                   {"--variant", "scalar"}}) {
        std::vector<std::string> arguments = {"run", path, "--check"};
        arguments.insert(arguments.end(), choice.begin(), choice.end());
        const Outcome outcome = run_program(arguments);
        INFO(choice.front() << " " << choice[1] << "\n" << outcome.out << outcome.err);
        CHECK(outcome.code == 0);
    }
    CHECK_THAT(run_program({"run", path, "--access", "descriptor"}).out, ContainsSubstring("access   descriptor"));
    CHECK_THAT(run_program({"run", path, "--algorithm", "recurrent"}).out, ContainsSubstring("ssd_recurrent"));
    CHECK_THAT(run_program({"run", path, "--algorithm", "chunked"}).out, ContainsSubstring("ssd_chunk_scan"));
}

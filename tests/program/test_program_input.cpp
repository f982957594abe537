// What the program refuses, and how. None of this needs a device, so there is none.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>

#include "command_line.h"
#include "files.h"

using namespace scandium;
using namespace scandium::program;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

void check_refused(const std::vector<std::string>& arguments, const std::string& why) {
    const NoDrivers no_drivers;
    const Outcome outcome = run_program(arguments);
    INFO("arguments: " << Catch::StringMaker<std::vector<std::string>>::convert(arguments));
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK(outcome.error_lines() == 1);
    CHECK_THAT(outcome.err, StartsWith("scandium: ") && ContainsSubstring(why));
}

// A case that was right until `change` came.
template <class F>
void check_case_refused(const std::string& name, const std::string& why, F change) {
    const TempFolder folder;
    const std::string path = folder.path("changed.safetensors");
    EditableCase changed(reference_case(name));
    change(changed);
    changed.save(path);
    check_refused({"run", path, "--check"}, "changed.safetensors: " + why);
}

void check_option_refused(const std::string& key, const std::string& value) {
    check_case_refused("ssd_basic", "option " + key + " is ", [&](EditableCase& c) { c.metadata[key] = value; });
}

}  // namespace

TEST_CASE("wrong usage is refused in one line") {
    const std::string path = reference_case("ssd_basic");
    check_refused({}, "subcommand");
    check_refused({"walk"}, "there is no command 'walk'");
    check_refused({"run"}, "cases");
    check_refused({"devices", "extra"}, "extra");
    check_refused({"run", path, "--no-such-option"}, "--no-such-option");
    check_refused({"run", path, "--variant", "fast"}, "--variant: 'fast'");
    check_refused({"run", path, "--variant"}, "--variant");
    check_refused({"run", path, "--algorithm", ""}, "--algorithm");
    check_refused({"run", path, "--access", "psychic"}, "--access: 'psychic'");
    check_refused({"run", path, "--repeat", "0"}, "--repeat");
    check_refused({"run", path, "--repeat=-1"}, "--repeat");
    check_refused({"run", path, "--repeat", "1e3"}, "--repeat");
    check_refused({"run", path, "--chunk-size", "17"}, "--chunk-size");
    check_refused({"run", path, "--chunk-size", "0"}, "--chunk-size");
    check_refused({"run", path, "--chunk-size", "4294967360"}, "--chunk-size");
    check_refused({"run", path, "--check", "--tolerance", "nan"}, "--tolerance");
    check_refused({"run", path, "--check", "--tolerance=-1"}, "--tolerance");
    check_refused({"run", path, "--check", "--tolerance", "inf"}, "--tolerance");
    check_refused({"run", path, "--check", "--tolerance", "1e-5x"}, "--tolerance");
    check_refused({"run", path, "--tolerance", "1e-5"}, "--check");
    check_refused({"run", path, "--check", "--tolerance", ""}, "--tolerance");
    check_refused({"run", path, "--chunk-size", ""}, "--chunk-size");
    check_refused({"run", path, "--device", ""}, "--device");
    check_refused({"bench", "--json", ""}, "--json");
    check_refused({"bench", "--json", "/nonexistent/results.json"}, "--json");
}

TEST_CASE("an output that cannot be written is refused before anything runs") {
    const std::string path = reference_case("ssd_basic");
    const TempFolder folder;
    check_refused({"run", path, path, "-o", folder.path("out")}, "-o");
    check_refused({"run", path, "-o", folder.path("none/out")}, "no such folder");
    check_refused({"run", path, "-o", folder.path("")}, "is a directory");
    check_refused({"run", path, "-o", "/dev/null"}, "not a regular file");
    check_refused({"run", path, "-o", ""}, "-o");
    check_refused({"run", path, "--output="}, "-o");
}

TEST_CASE("outputs do not take the place of the case, whatever its name") {
    const TempFolder folder;
    const std::string path = folder.path("case.safetensors"), link = folder.path("link.safetensors");
    const std::string bytes = read_bytes(reference_case("norm_plain"));
    write_bytes(path, bytes);
    std::filesystem::create_symlink(path, link);
    for (const std::string& same : {path, folder.path("./case.safetensors"), link})
        check_refused({"run", path, "-o", same}, "is the case itself");
    CHECK(read_bytes(path) == bytes);
}

TEST_CASE("a file that is no case is refused") {
    const TempFolder folder;
    check_refused({"run", folder.path("none.safetensors")}, "no such file");
    check_refused({"run", folder.path("")}, "is a directory");
    check_refused({"run", folder.path("a\nb\x1b[31m")}, "no such file");
    const std::string bytes = read_bytes(reference_case("ssd_basic"));
    write_bytes(folder.path("cut"), bytes.substr(0, bytes.size() / 2));
    check_refused({"run", folder.path("cut")}, "truncated");
    // The good case comes first, and does not run.
    check_refused({"run", reference_case("ssd_basic"), folder.path("cut")}, "truncated");
}

TEST_CASE("an unknown or missing op is refused") {
    check_case_refused("ssd_basic", "op 'sad' is not supported yet by this version: known ops are ssd",
                       [](EditableCase& c) { c.metadata["op"] = "sad"; });
    check_case_refused("ssd_basic", "__metadata__ has no 'op'", [](EditableCase& c) { c.metadata.erase("op"); });
}

TEST_CASE("an option that the operator does not have is refused") {
    check_case_refused("ssd_basic", "op ssd has no option 'dt_sofplus'", [](EditableCase& c) { c.metadata["dt_sofplus"] = "1"; });
    check_case_refused("swiglu_basic", "op swiglu has no option 'chunk_size'", [](EditableCase& c) { c.metadata["chunk_size"] = "64"; });
}

TEST_CASE("options out of range are refused") {
    for (const char* value : {"nan", "-1", "-inf", "", "x", "1 ", " 1", "0x10", "1e999", "+1"}) {
        check_option_refused("dt_min", value);
        check_option_refused("dt_max", value);
    }
    for (const char* value : {"0", "8", "24", "272", "18446744073709551680", "-64", "64.0", "nan", ""})
        check_option_refused("chunk_size", value);
    for (const char* value : {"2", "yes", "", "nan"}) check_option_refused("dt_softplus", value);
    for (const char* value : {"f64", "i32", "", "float32"}) check_option_refused("io_dtype", value);
    check_option_refused("state_dtype", "f8");
    check_case_refused("ssd_basic", "option dt_min is 2, which is more than dt_max", [](EditableCase& c) {
        c.metadata["dt_min"] = "2";
        c.metadata["dt_max"] = "1";
    });
    check_case_refused("ssd_basic", "option io_dtype is bf16, but", [](EditableCase& c) { c.metadata["io_dtype"] = "bf16"; });
}

TEST_CASE("tensors that are missing, too many or of the wrong form are refused") {
    for (const char* name : {"x", "dt", "A", "B", "C"})
        check_case_refused("ssd_basic", "tensor '" + std::string(name) + "' is missing", [&](EditableCase& c) { c.tensors.erase(name); });
    check_case_refused("ssd_basic", "op ssd has no tensor 'X'", [](EditableCase& c) { c.tensors["X"] = c.tensors["x"]; });
    check_case_refused("ssd_basic", "op ssd has no tensor 'expected.z'", [](EditableCase& c) { c.tensors["expected.z"] = c.tensors["x"]; });
    check_case_refused("ssd_basic", "tensor 'x' is I32", [](EditableCase& c) { c.tensors["x"].type = ElementType::i32; });
    check_case_refused("ssd_basic", "tensor 'A' is I32", [](EditableCase& c) { c.tensors["A"].type = ElementType::i32; });
    check_case_refused("ssd_basic", "tensor 'x' has the shape", [](EditableCase& c) { c.tensors["x"].shape = {64, 2, 64}; });
    check_case_refused("ssd_basic", "tensor 'dt' has the shape", [](EditableCase& c) { c.tensors["dt"].shape = {1, 2, 64}; });
    check_case_refused("ssd_basic", "tensor 'C' has the shape", [](EditableCase& c) { c.tensors["C"].shape = {1, 64, 2, 32}; });
    check_case_refused("ssd_groups", "tensor 'D' has the shape", [](EditableCase& c) { c.tensors["D"].shape = {4, 32, 1}; });
    check_case_refused("ssd_basic", "tensor 'x' has the shape (1, 0, 2, 64): seqlen is 0", [](EditableCase& c) {
        c.tensors["x"].shape[1] = 0;
        c.tensors["x"].data.clear();
    });
    check_case_refused("ssd_basic", "tensor 'B' has 3 groups", [](EditableCase& c) {
        for (const char* name : {"B", "C"}) {
            c.tensors[name].shape[2] = 3;
            c.tensors[name].data.resize(3 * c.tensors[name].data.size());
        }
    });
}

TEST_CASE("packings that make no sense are refused") {
    check_case_refused("ssd_packed", "tensor 'seq_idx' is F32", [](EditableCase& c) { c.tensors["seq_idx"].type = ElementType::f32; });
    check_case_refused("ssd_packed", "tensor 'seq_idx' has the shape", [](EditableCase& c) { c.tensors["seq_idx"].shape = {150}; });
    check_case_refused("ssd_packed", "tensor 'seq_idx' has -1 at token 0", [](EditableCase& c) { c.tensors["seq_idx"].set(0, -1); });
    check_case_refused("ssd_packed", "tensor 'seq_idx' has 0 at token 149", [](EditableCase& c) { c.tensors["seq_idx"].set(149, 0); });
    const auto pack = [](std::vector<int32_t> starts) {
        return [starts](EditableCase& c) {
            EditableCase::Tensor tensor{ElementType::i32, {starts.size()}, {}};
            tensor.data.resize(starts.size() * 4);
            for (size_t i = 0; i < starts.size(); ++i) tensor.set(i, starts[i]);
            c.tensors["cu_seqlens"] = tensor;
        };
    };
    check_case_refused("ssd_basic", "tensor 'cu_seqlens' goes from 0 to 63", pack({0, 63}));
    check_case_refused("ssd_basic", "tensor 'cu_seqlens' goes from 1 to 64", pack({1, 64}));
    check_case_refused("ssd_basic", "tensor 'cu_seqlens' has 30 after 40", pack({0, 40, 30, 64}));
    check_case_refused("ssd_basic", "tensor 'cu_seqlens' has -5 after 0", pack({0, -5, 64}));
    check_case_refused("ssd_basic", "tensor 'cu_seqlens' has 1 numbers", pack({0}));
    check_case_refused("ssd_packed", "tensors 'seq_idx' and 'cu_seqlens' exclude each other", pack({0, 150}));
    check_case_refused("ssd_all_options", "tensor 'cu_seqlens' needs a batch of 1", pack({0, 96}));
}

TEST_CASE("outputs out of proportion are refused before they are allocated") {
    check_case_refused("ssd_basic", "output 'final_states'", [](EditableCase& c) {
        constexpr size_t kSequences = 100000;  // nearly all of them empty, each with a state of 32 KiB
        EditableCase::Tensor tensor{ElementType::i32, {kSequences + 1}, std::vector<std::byte>(4 * (kSequences + 1))};
        tensor.set(kSequences, 64);
        c.tensors["cu_seqlens"] = tensor;
    });
}

TEST_CASE("a check against nothing is refused") {
    check_case_refused("ssd_basic", "there is no tensor 'expected.y'", [](EditableCase& c) {
        c.tensors.erase("expected.y");
        c.tensors.erase("expected.final_states");
    });
    check_case_refused("ssd_basic", "tensor 'expected.y' has the shape", [](EditableCase& c) {
        c.tensors["expected.y"].shape = {1, 64, 128, 1};
    });
    check_case_refused("ssd_basic", "tensor 'expected.y' is I32", [](EditableCase& c) { c.tensors["expected.y"].type = ElementType::i32; });
}

TEST_CASE("without a device the program says so") {
    const NoDrivers no_drivers;
    const std::string path = reference_case("ssd_basic");
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"devices"}, {"devices", "--json"}, {"run", path}, {"run", path, "--check", "--json"}}) {
        const Outcome outcome = run_program(arguments);
        INFO(outcome.err);
        CHECK(outcome.code == 3);
        CHECK(outcome.out.empty());
        CHECK(outcome.error_lines() == 1);
    }
}

TEST_CASE("help and version go to standard output") {
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"}, {"run", "--help"}, {"--version"}}) {
        const Outcome outcome = run_program(arguments);
        CHECK(outcome.code == 0);
        CHECK_FALSE(outcome.out.empty());
        CHECK(outcome.err.empty());
    }
}

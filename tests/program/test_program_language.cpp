// The commands of language models, as a shell runs them.
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>

#include "command_line.h"
#include "files.h"
#include "files/json.h"
#include "stop_filter.h"

namespace scandium::program {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string reference(const std::string& name) { return std::string(REFERENCE_CASES) + "/" + name; }
std::string shakespeare() { return std::string(SAMPLE_MODELS) + "/shakespeare-mamba2"; }

double relative_error(const EditableCase::Tensor& found, const EditableCase::Tensor& expected) {
    REQUIRE(found.data.size() == expected.data.size());
    double error = 0, norm = 0;
    for (size_t i = 0; i < found.data.size() / sizeof(float); ++i) {
        const double got = static_cast<double>(found.get<float>(i)), want = static_cast<double>(expected.get<float>(i));
        error += (got - want) * (got - want);
        norm += want * want;
    }
    return std::sqrt(error / norm);
}

TEST_CASE("logits: as the reference has them, in chunks too") {
    need_device();
    const TempFolder folder;
    const std::string name = GENERATE("lm_mamba1_tiny", "lm_mamba2_tiny"), input = reference(name + "/expected.safetensors"),
                      output = folder.path("out.safetensors");
    std::vector<std::string> arguments = {"logits", reference(name), input, "-o", output, "--weights", "f32"};
    if (GENERATE(false, true)) arguments.insert(arguments.end(), {"--chunk", "19"});
    const Outcome outcome = run_program(arguments);
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    CHECK(outcome.err.empty());
    const EditableCase found(output), expected(input);
    CHECK(found.tensors.at("logits").shape == expected.tensors.at("expected.logits").shape);
    CHECK(relative_error(found.tensors.at("logits"), expected.tensors.at("expected.logits")) <= 1e-6);
}

TEST_CASE("logits: an input without tokens, or with ones that the model lacks, is refused in a line") {
    const TempFolder folder;
    EditableCase input(reference("lm_mamba2_tiny/expected.safetensors"));
    SECTION("none") { input.tensors.erase("input_ids"); }
    SECTION("another type") { input.tensors.at("input_ids").type = ElementType::f32; }
    SECTION("another shape") { input.tensors.at("input_ids").shape = {2, 35}; }
    input.save(folder.path("in.safetensors"));
    const Outcome outcome =
        run_program({"logits", reference("lm_mamba2_tiny"), folder.path("in.safetensors"), "-o", folder.path("out.safetensors")});
    CHECK(outcome.code == 2);
    CHECK(outcome.error_lines() == 1);
    CHECK_THAT(outcome.err, ContainsSubstring("input_ids"));
    CHECK(!std::filesystem::exists(folder.path("out.safetensors")));
}

TEST_CASE("generate: writes the same text for the same seed, and nothing but text to standard output") {
    need_device();
    const std::vector<std::string> arguments = {"generate", shakespeare(), "--prompt", "KING RICHARD II:\n", "-n", "40", "--seed", "3"};
    const Outcome first = run_program(arguments);
    INFO(first.err);
    REQUIRE(first.code == 0);
    CHECK(first.out.size() == 41);  // a byte for each token, and the line's end
    CHECK(first.out.find('\33') == std::string::npos);
    CHECK(first.err.find('\33') == std::string::npos);
    CHECK_THAT(first.err, ContainsSubstring("prefill: 17 tokens") && ContainsSubstring("decode: 39 tokens") &&
                              ContainsSubstring("first token after") && ContainsSubstring(" of a long add"));
    CHECK(run_program(arguments).out == first.out);
    std::vector<std::string> other = arguments;
    other.back() = "4";
    CHECK(run_program(other).out != first.out);
}

TEST_CASE("generate: at temperature 0 the likeliest text, up to a stop string") {
    need_device();
    EditableCase expected(reference("lm_shakespeare/expected.safetensors"));
    std::string prompt, text;
    for (size_t i = 0; i < 96; ++i) prompt += static_cast<char>(expected.tensors.at("input_ids").get<int32_t>(i));
    size_t sure = 0;
    while (sure < 32 && expected.tensors.at("expected.greedy_margin").get<float>(sure) > 1e-3f) ++sure;
    REQUIRE(sure > 8);
    for (size_t i = 0; i < sure; ++i) text += static_cast<char>(expected.tensors.at("expected.greedy").get<int32_t>(i));
    const std::vector<std::string> arguments = {"generate", shakespeare(),        "--prompt",      prompt,
                                                "-n",       std::to_string(sure), "--temperature", "0"};
    const Outcome outcome = run_program(arguments);
    INFO(outcome.err);
    CHECK(outcome.out == text + "\n");
    std::vector<std::string> stopping = arguments;
    stopping.insert(stopping.end(), {"--stop", "nowhere", "--stop", text.substr(5, 3)});
    CHECK(run_program(stopping).out == text.substr(0, text.find(text.substr(5, 3))) + "\n");
}

TEST_CASE("generate: what cannot be is refused in a line, before a device is looked for") {
    const NoDrivers none;
    const auto [option, value] = GENERATE(std::pair("-n", "0"), std::pair("--temperature", "-1"), std::pair("--top-p", "2"),
                                          std::pair("--seed", "x"), std::pair("--stop", ""), std::pair("--repetition-penalty", "0"));
    CAPTURE(option, value);
    const Outcome outcome = run_program({"generate", shakespeare(), "--prompt", "x", option, value});
    CHECK(outcome.code == 2);
    CHECK(outcome.error_lines() == 1);
}

TEST_CASE("generate: without a model or a device") {
    const NoDrivers none;
    const Outcome no_model = run_program({"generate", reference("nothing"), "--prompt", "x"});
    CHECK(no_model.code == 2);
    CHECK_THAT(no_model.err, ContainsSubstring("config.json"));
    CHECK(run_program({"generate", shakespeare(), "--prompt", "x"}).code == 3);
}

TEST_CASE("perplexity: Shakespeare is foretold better than noise") {
    need_device();
    const TempFolder folder;
    std::string text = "KING HENRY V:\nOnce more unto the breach, dear friends, once more;\nOr close the wall up with our English dead.\n";
    write_bytes(folder.path("text"), text);
    const auto bits = [&] {
        const Outcome outcome = run_program({"perplexity", shakespeare(), folder.path("text")});
        INFO(outcome.err);
        REQUIRE(outcome.code == 0);
        return std::stod(outcome.out);
    };
    const double of_text = bits();
    CHECK(of_text > 0.5);
    CHECK(of_text < 3.5);
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(33 + (i * 37) % 90);
    write_bytes(folder.path("text"), text);
    CHECK(bits() > of_text + 2);
    write_bytes(folder.path("text"), "");
    CHECK(run_program({"perplexity", shakespeare(), folder.path("text")}).code == 2);
}

TEST_CASE("bench --lm: a size that there is not, or what does not go with it, is refused") {
    const NoDrivers none;
    CHECK_THAT(run_program({"bench", "--lm", "3b"}).err, ContainsSubstring("--lm: '3b'"));
    CHECK_THAT(run_program({"bench", "--lm", "130m", "--op", "linear"}).err, ContainsSubstring("--op"));
    CHECK_THAT(run_program({"bench", "--lm", "130m", "--tokens", "4096"}).err, ContainsSubstring("--tokens"));
    CHECK(run_program({"bench", "--lm", "130m"}).code == 3);
}

TEST_CASE("tokenize: the reference's encodings, and back") {
    const NoDrivers none;
    const TempFolder folder;
    // JsonFile takes files that hold an object.
    write_bytes(folder.path("wrapped"), "{\"cases\":" + read_bytes(reference("tokenizer/encodings.json")) + "}");
    const JsonFile file(folder.path("wrapped"), 1 << 20);
    std::string texts = "[", expected;
    for (const JsonView& item : file.root().at("cases").items()) {
        rapidjson::StringBuffer buffer;
        rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
        item.at("text").value().Accept(writer);
        texts += (texts.size() > 1 ? "," : "") + std::string(buffer.GetString());
        std::string ids;
        for (const JsonView& id : item.at("ids").items()) ids += (ids.empty() ? "" : ", ") + std::to_string(id.integer(0, 1 << 20));
        expected += (expected.empty() ? "[[" : ",\n[") + ids + "]";
    }
    write_bytes(folder.path("texts"), texts + "]");
    const Outcome outcome = run_program({"tokenize", reference("tokenizer"), folder.path("texts"), "--json"});
    CHECK(outcome.code == 0);
    CHECK(outcome.out == expected + "]\n");

    write_bytes(folder.path("text"),
                "Gr\xc3\xb6\xc3\x9f"
                "e, 12345\n");
    const Outcome there = run_program({"tokenize", reference("tokenizer"), folder.path("text")});
    CHECK(there.code == 0);
    write_bytes(folder.path("ids"), there.out);
    CHECK(run_program({"tokenize", reference("tokenizer"), folder.path("ids"), "--decode"}).out == read_bytes(folder.path("text")));
    write_bytes(folder.path("ids"), "1 2 x");
    CHECK(run_program({"tokenize", reference("tokenizer"), folder.path("ids"), "--decode"}).code == 2);
    CHECK(run_program({"tokenize", reference("tokenizer"), folder.path("text"), "--json"}).code == 2);
}

TEST_CASE("StopFilter: a stop string ends the text however it comes in parts") {
    const std::string text = "one two threeend of it";
    const size_t part = GENERATE(1u, 2u, 3u, 5u, 100u);
    StopFilter filter({"endo", "end", "zzz"});
    std::string out;
    for (size_t i = 0; i < text.size(); i += part) out += filter.add(text.substr(i, part));
    CHECK(filter.has_stopped());
    CHECK(out + filter.end() == "one two three");
    StopFilter another({"threes"});
    out.clear();
    for (size_t i = 0; i < text.size(); i += part) out += another.add(text.substr(i, part));
    CHECK(out + another.end() == text);
}

}  // namespace
}  // namespace scandium::program

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "files.h"

using namespace scandium;
using namespace scandium::program;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

TEST_CASE("what was written is read back") {
    const TempFolder folder;
    const std::string path = folder.path("copy.safetensors");
    const EditableCase original(reference_case("ssd_packed"));
    EditableCase changed = original;
    changed.metadata["quotes \" and \xc3\xa9"] = "line\nbreak";
    changed.tensors["empty"] = {ElementType::f64, {3, 0}, {}};
    changed.tensors["byte \\"] = {ElementType::u8, {3}, {std::byte(1), std::byte(2), std::byte(3)}};
    changed.save(path);

    const EditableCase copy(path);
    CHECK(copy.metadata == changed.metadata);
    REQUIRE(copy.tensors.size() == original.tensors.size() + 2);
    for (const auto& [name, tensor] : changed.tensors) {
        INFO(name);
        REQUIRE(copy.tensors.contains(name));
        CHECK(copy.tensors.at(name).type == tensor.type);
        CHECK(copy.tensors.at(name).shape == tensor.shape);
        CHECK(copy.tensors.at(name).data == tensor.data);
    }
}

TEST_CASE("every tensor is aligned to its elements") {
    const TempFolder folder;
    const std::string path = folder.path("aligned.safetensors");
    const std::vector<std::byte> data(16);
    for (size_t name_length = 1; name_length <= 8; ++name_length) {
        const SafetensorsTensor tensors[] = {{"a", ElementType::u8, {3}, std::span(data).first(3)},
                                             {std::string(name_length, 'b'), ElementType::f16, {3}, std::span(data).first(6)},
                                             {std::string(name_length, 'b') + "c", ElementType::f32, {1}, std::span(data).first(4)},
                                             {"z", ElementType::i64, {2}, std::span(data).first(16)}};
        write_safetensors(path, tensors, {});
        CHECK(static_cast<unsigned char>(read_bytes(path)[0]) % 8 == 0);
        const SafetensorsFile file(path);
        for (const auto& [name, entry] : file.entries()) CHECK(entry.begin % bytes_of(entry.type) == 0);
    }
}

TEST_CASE("the same content makes the same bytes") {
    const TempFolder folder;
    const EditableCase original(reference_case("ssd_one_token"));
    original.save(folder.path("a"));
    original.save(folder.path("b"));
    CHECK(read_bytes(folder.path("a")) == read_bytes(folder.path("b")));
}

TEST_CASE("a file is replaced as a whole or not at all") {
    const TempFolder folder;
    const std::string path = folder.path("out.safetensors");
    write_bytes(path, "old");
    const std::vector<std::byte> data(4);
    const SafetensorsTensor wrong[] = {{"a", ElementType::f32, {2}, data}};
    CHECK_THROWS_MATCHES(write_safetensors(path, wrong, {}), FileError, MessageMatches(ContainsSubstring("does not fit")));
    const SafetensorsTensor twice[] = {{"a", ElementType::f32, {1}, data}, {"a", ElementType::f32, {1}, data}};
    CHECK_THROWS_MATCHES(write_safetensors(path, twice, {}), FileError, MessageMatches(ContainsSubstring("two tensors")));
    const SafetensorsTensor reserved[] = {{"__metadata__", ElementType::f32, {1}, data}};
    CHECK_THROWS_AS(write_safetensors(path, reserved, {}), FileError);
    CHECK(read_bytes(path) == "old");
    const SafetensorsTensor right[] = {{"a", ElementType::f32, {1}, data}};
    write_safetensors(path, right, {});
    CHECK(SafetensorsFile(path).find("a"));
    CHECK(folder.file_count() == 1);
}

TEST_CASE("a place that cannot be written to is refused") {
    const TempFolder folder;
    CHECK_THROWS_MATCHES(write_safetensors(folder.path("none/out"), {}, {}), FileError,
                         MessageMatches(ContainsSubstring("no such folder")));
    CHECK_THROWS_MATCHES(write_safetensors(folder.path(""), {}, {}), FileError, MessageMatches(ContainsSubstring("is a directory")));
#ifdef __unix__
    CHECK_THROWS_MATCHES(write_safetensors("/dev/null", {}, {}), FileError, MessageMatches(ContainsSubstring("not a regular file")));
#endif
    CHECK(folder.file_count() == 0);
}

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <random>

#include "files.h"

using namespace scandium;
using namespace scandium::program;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using Catch::Matchers::StartsWith;

namespace {

void check_refused(const std::string& bytes, const std::string& why) {
    const TempFolder folder;
    const std::string path = folder.path("case.safetensors");
    write_bytes(path, bytes);
    INFO(bytes.substr(0, 300));
    CHECK_THROWS_MATCHES(SafetensorsFile(path), FileError, MessageMatches(StartsWith(path) && ContainsSubstring(why)));
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

std::string one_tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "{\"a\":" + tensor(dtype, shape, offsets) + "}";
}

}  // namespace

TEST_CASE("a file is read as it is") {
    const TempFolder folder;
    const std::string path = folder.path("case.safetensors");
    // The header lists the tensors in another order than the data, which the format allows.
    write_bytes(path, raw_file("{\"__metadata__\":{\"op\":\"ssd\",\"\\u00e9\":\"\"},\"b\":" + tensor("BF16", "[3,1]", "[4,10]") +
                                   ",\"a\":" + tensor("F32", "[]", "[0,4]") + ",\"none\":" + tensor("I64", "[0,7]", "[10,10]") + "}  ",
                               10));
    const SafetensorsFile file(path);
    CHECK(file.metadata() == Metadata{{"op", "ssd"}, {"\xc3\xa9", ""}});
    REQUIRE(file.entries().size() == 3);
    REQUIRE(file.find("b"));
    CHECK(file.find("b")->type == ElementType::bf16);
    CHECK(file.find("b")->shape == std::vector<uint64_t>{3, 1});
    CHECK(file.find("b")->elements == 3);
    CHECK(file.read(*file.find("b")) == std::vector<std::byte>(6, std::byte(0x7a)));
    CHECK(file.find("a")->shape.empty());
    CHECK(file.find("a")->elements == 1);
    CHECK(file.read(*file.find("none")).empty());
    CHECK(file.find("c") == nullptr);
}

TEST_CASE("the reference cases are read") {
    const SafetensorsFile file(reference_case("ssd_bf16"));
    CHECK(file.metadata().at("chunk_size") == "128");
    CHECK(file.find("x")->type == ElementType::bf16);
    CHECK(file.find("x")->shape == std::vector<uint64_t>{1, 256, 2, 64});
    CHECK(file.read(*file.find("expected.final_states")).size() == 65536);
}

TEST_CASE("what is no file is refused") {
    const TempFolder folder;
    CHECK_THROWS_MATCHES(SafetensorsFile(folder.path("none")), FileError, MessageMatches(ContainsSubstring("no such file")));
    CHECK_THROWS_MATCHES(SafetensorsFile(folder.path("")), FileError, MessageMatches(ContainsSubstring("is a directory")));
#ifdef __unix__
    CHECK_THROWS_MATCHES(SafetensorsFile("/dev/zero"), FileError, MessageMatches(ContainsSubstring("not a regular file")));
#endif
}

TEST_CASE("a wrong length of the header is refused") {
    const std::string header = one_tensor("F32", "[2]", "[0,8]");
    check_refused("", "is empty");
    check_refused(std::string(5, '\0'), "too short");
    check_refused(std::string(8, '\0'), "too short");
    check_refused(std::string(100, '\0'), "begins with '{'");
    check_refused(raw_file(header, 8, 0), "begins with '{'");
    check_refused(raw_file(header, 8, header.size() + 9), "truncated");
    check_refused(raw_file(header, 8, kMaxSafetensorsHeader), "truncated");
    check_refused(raw_file(header, 8, kMaxSafetensorsHeader + 1), "at most 100000000");
    check_refused(raw_file(header, 8, UINT64_MAX), "at most 100000000");
    check_refused(raw_file(header, 8, header.size() - 1), "not JSON");
    check_refused(raw_file(header, 8, header.size() + 1), "not JSON");
}

TEST_CASE("a truncated file is refused wherever it ends") {
    const std::string bytes = read_bytes(reference_case("ssd_one_token"));
    for (size_t length : {size_t(0), size_t(7), size_t(8), size_t(9), size_t(300), size_t(600), size_t(20000), bytes.size() - 1})
        check_refused(bytes.substr(0, length), "case.safetensors: ");
    check_refused(bytes + "x", "belong to none");
}

TEST_CASE("a header that is not the format's JSON is refused") {
    const std::string deep(100000, '[');
    check_refused(raw_file("{", 0), "not JSON");
    check_refused(raw_file("{}}", 0), "not JSON");
    check_refused(raw_file("{\"a\":1}", 0), "wrong kind");
    check_refused(raw_file("{\"a\":null}", 0), "wrong kind");
    check_refused(raw_file("{\"a\":[]}", 0), "wrong kind");
    check_refused(raw_file("{\"a\":" + deep, 0), "wrong kind");
    check_refused(raw_file("{\"__metadata__\":{\"k\":" + deep, 0), "wrong kind");
    check_refused(raw_file("{\"a\":{\"dtype\":\"F32\",\"shape\":" + deep, 0), "wrong kind");
    check_refused(raw_file("{\"a\":{\"b\":{\"c\":{}}}}", 0), "unknown field 'b'");
    check_refused(raw_file("{\"a\xff\":1}", 0), "not JSON");
    check_refused(raw_file(std::string("{}\0{}", 5), 0), "zero byte");
    check_refused(raw_file("{\"a\":{}}", 0), "no dtype, shape or data_offsets");
    check_refused(raw_file("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4), "no dtype, shape or data_offsets");
}

TEST_CASE("metadata that is not text is refused") {
    check_refused(raw_file("{\"__metadata__\":{\"op\":1}}", 0), "__metadata__ ('op')");
    check_refused(raw_file("{\"__metadata__\":{\"op\":{\"a\":\"b\"}}}", 0), "__metadata__ ('op')");
    check_refused(raw_file("{\"__metadata__\":{\"op\":null}}", 0), "__metadata__ ('op')");
    check_refused(raw_file("{\"__metadata__\":\"op\"}", 0), "wrong kind");
}

TEST_CASE("duplicate keys are refused") {
    const std::string a = "\"a\":" + tensor("F32", "[1]", "[0,4]");
    check_refused(raw_file("{" + a + "," + a + "}", 4), "tensor 'a' twice");
    check_refused(raw_file("{\"__metadata__\":{},\"__metadata__\":{}}", 0), "__metadata__ twice");
    check_refused(raw_file("{\"__metadata__\":{\"op\":\"x\",\"op\":\"x\"}}", 0), "'op') has the key twice");
    check_refused(raw_file("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4), "dtype twice");
    check_refused(raw_file("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4), "shape twice");
}

TEST_CASE("a tensor's type, shape and size are checked") {
    check_refused(raw_file(one_tensor("F33", "[1]", "[0,4]"), 4), "unknown dtype 'F33'");
    check_refused(raw_file(one_tensor("f32", "[1]", "[0,4]"), 4), "unknown dtype 'f32'");
    check_refused(raw_file(one_tensor("F32", "[-1]", "[0,4]"), 4), "negative");
    check_refused(raw_file(one_tensor("F32", "[1.0]", "[0,4]"), 4), "wrong kind");
    check_refused(raw_file(one_tensor("F32", "[\"1\"]", "[0,4]"), 4), "wrong kind");
    check_refused(raw_file(one_tensor("F32", "[18446744073709551616]", "[0,4]"), 4), "wrong kind");
    check_refused(raw_file(one_tensor("F32", "1", "[0,4]"), 4), "wrong kind");
    check_refused(raw_file(one_tensor("F32", "[2]", "[0,4]"), 4), "needs 8");
    check_refused(raw_file(one_tensor("F16", "[2]", "[0,8]"), 8), "needs 4");
    check_refused(raw_file(one_tensor("F32", "[4294967296,4294967296]", "[0,0]"), 0), "overflows");
    check_refused(raw_file(one_tensor("F32", "[4611686018427387904]", "[0,0]"), 0), "overflows");
    check_refused(raw_file(one_tensor("F32", "[4294967296,2147483648,3]", "[0,4]"), 4), "overflows");
    std::string axes = "[1";
    for (size_t i = 0; i < kMaxSafetensorsRank; ++i) axes += ",1";
    check_refused(raw_file(one_tensor("F32", axes + "]", "[0,4]"), 4), "more than 32 axes");
}

TEST_CASE("tensors must cover the data exactly") {
    const auto two = [](const std::string& a, const std::string& b) {
        return "{\"a\":" + tensor("F32", "[2]", a) + ",\"b\":" + tensor("F32", "[2]", b) + "}";
    };
    check_refused(raw_file(two("[0,8]", "[4,12]"), 12), "'b' begins at byte 4, inside another tensor");
    check_refused(raw_file(two("[0,8]", "[0,8]"), 8), "inside another tensor");
    check_refused(raw_file(two("[0,8]", "[12,20]"), 20), "'b' begins at byte 12, after a gap");
    check_refused(raw_file(two("[4,12]", "[12,20]"), 20), "'a' begins at byte 4, after a gap");
    check_refused(raw_file(two("[0,8]", "[8,16]"), 15), "truncated");
    check_refused(raw_file(two("[0,8]", "[8,16]"), 17), "1 bytes after the last tensor");
    check_refused(raw_file(two("[8,0]", "[8,16]"), 16), "ends before it begins");
    check_refused(raw_file(two("[0,8]", "[18446744073709551608,18446744073709551615]"), 16), "needs 8");
    check_refused(raw_file(two("[0,8]", "[18446744073709551600,18446744073709551608]"), 16), "truncated");
    check_refused(raw_file(two("[0,8]", "[8]"), 16), "two numbers");
    check_refused(raw_file(two("[0,8]", "[8,16,24]"), 16), "two numbers");
    check_refused(raw_file(two("[0,8]", "[-8,0]"), 16), "negative");
    check_refused(raw_file("{}", 4), "4 bytes after the last tensor");
}

TEST_CASE("names from a file cannot break the message") {
    check_refused(raw_file("{\"a\\n\\u001b[31m\":1}", 0), "'a ?[31m'");
    check_refused(raw_file("{\"" + std::string(5000, 'n') + "\":1}", 0), std::string(80, 'n') + "...'");
}

TEST_CASE("no change of bytes does more than make a file refused") {
    const std::string bytes = read_bytes(reference_case("ssd_one_token"));
    const TempFolder folder;
    const std::string path = folder.path("case.safetensors");
    std::mt19937 random(20240531);
    size_t refused = 0;
    constexpr size_t kTries = 500;
    for (size_t i = 0; i < kTries; ++i) {
        std::string changed = bytes;
        for (auto change = random() % 3 + 1; change-- > 0;) changed[random() % 600] = static_cast<char>(random());
        write_bytes(path, changed);
        try {
            const SafetensorsFile file(path);
            for (const auto& [name, entry] : file.entries()) REQUIRE(file.read(entry).size() == entry.bytes());
        } catch (const FileError&) {
            ++refused;
        }
    }
    CHECK(refused > kTries / 2);
    CHECK(refused < kTries);
}

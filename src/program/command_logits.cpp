#include <cstring>

#include "commands.h"
#include "files/safetensors.h"
#include "files/text.h"
#include "language.h"

namespace scandium::program {
namespace {

constexpr uint64_t kMostTokens = 1 << 20;
constexpr uint32_t kMostChunk = 4096;

std::vector<int32_t> read_ids(const std::string& path) {
    const SafetensorsFile file(path);
    const SafetensorsEntry* entry = file.find("input_ids");
    if (!entry) throw FileError(path + ": has no tensor 'input_ids'");
    const bool is_row = entry->shape.size() == 1 || (entry->shape.size() == 2 && entry->shape[0] == 1);
    if (!is_row || (entry->type != ElementType::i32 && entry->type != ElementType::i64))
        throw FileError(path + ": tensor 'input_ids' is " + name_of(entry->type) + " of shape " + shape_text(entry->shape) +
                        ", but I32 or I64 of shape (seqlen) or (1, seqlen) is expected");
    if (entry->elements == 0 || entry->elements > kMostTokens)
        throw FileError(path + format(": tensor 'input_ids' has %llu tokens, but 1 to %llu are expected",
                                      static_cast<unsigned long long>(entry->elements), static_cast<unsigned long long>(kMostTokens)));
    const std::vector<std::byte> bytes = file.read(*entry);
    std::vector<int32_t> ids;
    for (uint64_t i = 0; i < entry->elements; ++i) {
        int64_t id = 0;
        if (entry->type == ElementType::i64) {
            std::memcpy(&id, bytes.data() + i * sizeof id, sizeof id);
        } else {
            int32_t narrow = 0;
            std::memcpy(&narrow, bytes.data() + i * sizeof narrow, sizeof narrow);
            id = narrow;
        }
        ids.push_back(id < 0 || id > INT32_MAX ? -1 : static_cast<int32_t>(id));
    }
    return ids;
}

}  // namespace

int write_logits(const LogitsArguments& arguments) {
    check_writable(arguments.output);
    const std::vector<int32_t> ids = read_ids(arguments.input);
    SessionOptions options;
    options.batch = 0;
    options.every_logits = true;
    options.chunk = arguments.chunk.empty() ? static_cast<uint32_t>(std::min<uint64_t>(ids.size(), 512))
                                            : static_cast<uint32_t>(read_count("--chunk", arguments.chunk, 1, kMostChunk));
    Language language(arguments.model, options);
    struct Collected {
        uint64_t vocab;
        std::vector<float> logits;
    } collected{language.config().padded_vocab_size, {}};
    collected.logits.reserve(ids.size() * collected.vocab);
    const auto collect = [](void* user, uint64_t, uint64_t count, const float* logits) {
        Collected& into = *static_cast<Collected*>(user);
        into.logits.insert(into.logits.end(), logits, logits + count * into.vocab);
        return true;
    };
    language.check(prefill_every(language.runner(), 0, {ids.data(), ids.size()}, collect, &collected), "prefill_every");
    const SafetensorsTensor tensor = {
        "logits", ElementType::f32, {ids.size(), collected.vocab}, std::as_bytes(std::span(collected.logits))};
    write_safetensors(arguments.output, {&tensor, 1}, {{"op", "lm"}});
    return kFine;
}

}  // namespace scandium::program

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include <filesystem>
#include <iostream>
#include <sstream>

#include "commands.h"
#include "files/text.h"
#include "language.h"

namespace scandium::program {
namespace {

std::string ids_text(const std::vector<int32_t>& ids, const char* between) {
    std::string text;
    for (int32_t id : ids) text += (text.empty() ? "" : between) + std::to_string(id);
    return text;
}

std::string decoded(const Tokenizer* tokenizer, const std::string& text, const Messages& messages) {
    TokenStream* created = nullptr;
    messages.check(create_token_stream(tokenizer, false, &created), "create_token_stream");
    const OwnedLanguage<TokenStream> stream(created);
    std::istringstream words(text);
    std::string out, word;
    while (words >> word) {
        const uint64_t id = read_count("tokenize", word, 0, token_count(tokenizer) - 1);
        const Span<char> part = next_text(stream.get(), static_cast<int32_t>(id));
        out.append(part.data, part.size);
    }
    const Span<char> rest = end_text(stream.get());
    return out.append(rest.data, rest.size);
}

std::string json_ids(const Tokenizer* tokenizer, const std::string& json, const Messages& messages) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(json.data(), json.size());
    if (document.HasParseError())
        throw UsageError(format("--json: the input is no JSON at byte %zu: %s", document.GetErrorOffset(),
                                rapidjson::GetParseError_En(document.GetParseError())));
    if (!document.IsArray()) throw UsageError("--json: the input is no array of strings");
    std::string out;
    for (const auto& item : document.GetArray()) {
        if (!item.IsString()) throw UsageError("--json: the input is no array of strings");
        const std::string_view text(item.GetString(), item.GetStringLength());
        out += (out.empty() ? "[" : ",\n[") + ids_text(tokens_of(tokenizer, text, false, messages), ", ") + "]";
    }
    return "[" + out + "]\n";
}

}  // namespace

int tokenize_text(const TokenizeArguments& arguments) {
    if (arguments.decode && arguments.json) throw UsageError("--json: does not go with --decode");
    Messages messages;
    // A tokenizer alone will do, but bytes are tokens only where the configuration says that there are 256.
    ModelConfig config;
    std::error_code error;
    if (std::filesystem::exists(std::filesystem::path(arguments.folder) / "config.json", error))
        config = read_config(arguments.folder, &messages);
    const OwnedLanguage<Tokenizer> tokenizer = open_tokenizer(arguments.folder, config, &messages);
    const std::string text = read_text("tokenize", arguments.input);
    if (arguments.decode)
        std::cout << decoded(tokenizer.get(), text, messages);
    else if (arguments.json)
        std::cout << json_ids(tokenizer.get(), text, messages);
    else
        std::cout << ids_text(tokens_of(tokenizer.get(), text, false, messages), " ") << "\n";
    return kFine;
}

}  // namespace scandium::program

#include "support/reference_case.h"

#include <algorithm>

#include "support/safetensors.h"

namespace scandium::test {
namespace {

std::vector<double> values_if(const StoredFile& file, const char* name) {
    return file.has(name) ? file.at(name).values() : std::vector<double>();
}

uint32_t most_sequences(const std::vector<int32_t>& seq_idx, const SsdShape& n) {
    uint32_t most = 0;
    for (uint64_t row = 0; row < n.batch && !seq_idx.empty(); ++row) {
        uint32_t count = 1;
        for (uint64_t t = 1; t < n.seqlen; ++t) count += seq_idx[row * n.seqlen + t] != seq_idx[row * n.seqlen + t - 1];
        most = std::max(most, count);
    }
    return most;
}

// A step's tensors have no axis for tokens.
std::vector<uint64_t> with_tokens(std::vector<uint64_t> shape, bool step) {
    if (step) shape.insert(shape.begin() + 1, 1);
    return shape;
}

void fill_case(const StoredFile& file, const SsdInputs& in, bool step, SsdCase* c) {
    c->shape = in.shape;
    c->x_dtype = c->z_dtype = c->y_dtype = file.at("x").dtype;
    c->bc_dtype = file.at("B").dtype;
    c->dt_dtype = file.at("dt").dtype;
    if (step) c->initial_dtype = c->final_dtype = file.at("state").dtype;
    if (!in.D.empty()) c->D = in.D.size() == in.shape.nheads ? SsdD::per_head : SsdD::per_element;
    c->z = !in.z.empty();
    c->dt_bias = !in.dt_bias.empty();
    c->initial_states = !in.initial_states.empty();
    c->seq_idx = in.seq_idx;
    c->max_sequences = most_sequences(in.seq_idx, in.shape);
    c->dt_softplus = in.dt_softplus;
    c->dt_min = float(in.dt_min);
    c->dt_max = float(in.dt_max);
    c->chunk_size = uint32_t(std::stoul(file.option("chunk_size", "64")));
}

}  // namespace

std::vector<std::string> reference_names() {
    std::vector<std::string> names(std::begin(kReferenceNames), std::end(kReferenceNames));
    names.insert(names.end(), std::begin(kReferenceStepNames), std::end(kReferenceStepNames));
    return names;
}

ReferenceCase load_reference(const std::string& name) {
    const StoredFile file = read_safetensors(std::string(SCANDIUM_TEST_REFERENCE_DIR) + "/" + name + ".safetensors");
    const bool step = file.option("op", "") == "ssd_step";
    const std::vector<uint64_t> x = with_tokens(file.at("x").shape, step), B = with_tokens(file.at("B").shape, step);
    ReferenceCase out;
    SsdInputs& in = out.in;
    in.shape = {x.at(0), x.at(1), x.at(2), x.at(3), B.at(2), B.at(3)};
    in.x = file.at("x").values();
    in.dt = file.at("dt").values();
    in.A = file.at("A").values();
    in.B = file.at("B").values();
    in.C = file.at("C").values();
    in.D = values_if(file, "D");
    in.z = values_if(file, "z");
    in.dt_bias = values_if(file, "dt_bias");
    in.initial_states = values_if(file, step ? "state" : "initial_states");
    if (file.has("seq_idx")) in.seq_idx = file.at("seq_idx").integers();
    in.dt_softplus = file.option("dt_softplus", "0") == "1";
    in.dt_min = std::stod(file.option("dt_min", "0"));
    in.dt_max = std::stod(file.option("dt_max", "inf"));
    out.want.y = file.at("expected.y").values();
    out.want.final_states = file.at(step ? "expected.state" : "expected.final_states").values();
    fill_case(file, in, step, &out.ssd);
    return out;
}

}  // namespace scandium::test

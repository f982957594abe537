// Times an operator of ggml's CPU backend for scripts/bench_ggml.py, which builds it:
//   c++ -O2 -std=c++20 scripts/ggml_bench.cpp -lggml -lggml-base      (Debian's libggml-dev)
//   ggml_bench OPERATOR THREADS [f32|f16|q8_0|q4_0] SIZE...
// Prints the median and the least microseconds of 7 samples of about 20 ms, after half a second of warm-up. Input sets take
// turns, as in `scandium bench`.
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace {

using Sizes = std::vector<int64_t>;

double now_us() { return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// One set of inputs, and the nodes that make up the operator.
class Set {
public:
    Set(const std::string& op, ggml_type weights, const Sizes& n) {
        context_ = ggml_init({ggml_tensor_overhead() * 64 + ggml_graph_overhead(), nullptr, true});
        ggml_tensor* out = make(op, weights, n);
        if (!out) std::fprintf(stderr, "no operator %s\n", op.c_str()), std::exit(2);
        graph = ggml_new_graph(context_);
        ggml_build_forward_expand(graph, out);
    }

    // Random values from -1 to 1, ids under `ids_below`; steps and rates of scans below 0.
    void fill(ggml_backend_t backend, std::mt19937* random) {
        ggml_backend_alloc_ctx_tensors(context_, backend);
        for (ggml_tensor* tensor : inputs_) {
            const size_t elements = size_t(ggml_nelements(tensor));
            std::vector<char> bytes(ggml_nbytes(tensor));
            std::vector<float> values(elements);
            for (float& value : values)
                value =
                    std::uniform_real_distribution<float>(tensor == negative_ ? -8.f : -1.f, tensor == negative_ ? -0.1f : 1.f)(*random);
            if (tensor->type == GGML_TYPE_I32)
                for (size_t i = 0; i < elements; ++i)
                    reinterpret_cast<int32_t*>(bytes.data())[i] = int32_t((*random)() % uint64_t(ids_below_));
            else if (tensor->type == GGML_TYPE_F32)
                std::memcpy(bytes.data(), values.data(), bytes.size());
            else
                ggml_quantize_chunk(tensor->type, values.data(), bytes.data(), 0, int64_t(elements) / tensor->ne[0], tensor->ne[0],
                                    nullptr);
            ggml_backend_tensor_set(tensor, bytes.data(), 0, bytes.size());
        }
    }

    size_t bytes() const {
        size_t sum = 0;
        for (const ggml_tensor* tensor : inputs_) sum += ggml_nbytes(tensor);
        return sum;
    }

    ggml_cgraph* graph = nullptr;

private:
    ggml_tensor* input(ggml_type type, int64_t a, int64_t b = 1, int64_t c = 1, int64_t d = 1) {
        inputs_.push_back(ggml_new_tensor_4d(context_, type, a, b, c, d));
        return inputs_.back();
    }
    ggml_tensor* rows(const Sizes& n) { return input(GGML_TYPE_F32, n[1], n[0]); }

    // As llama.cpp composes it where ggml has no node for the whole.
    ggml_tensor* make(const std::string& op, ggml_type weights, const Sizes& n) {
        ggml_context* c = context_;
        if (op == "silu") return ggml_silu(c, rows(n));
        if (op == "softplus") return ggml_softplus(c, rows(n));
        if (op == "swiglu") return ggml_swiglu(c, input(GGML_TYPE_F32, 2 * n[1], n[0]));
        if (op == "add") {
            ggml_tensor* a = rows(n);
            return ggml_add(c, a, rows(n));
        }
        if (op == "rms_norm_gated") {
            ggml_tensor* z = rows(n);
            ggml_tensor* gated = ggml_swiglu_split(c, z, rows(n));
            return ggml_mul(c, ggml_rms_norm(c, gated, 1e-5f), input(GGML_TYPE_F32, n[1]));
        }
        if (op == "embedding") {  // tokens, dim, vocab
            ids_below_ = n[2];
            ggml_tensor* table = input(weights, n[1], n[2]);
            return ggml_get_rows(c, table, input(GGML_TYPE_I32, n[0]));
        }
        if (op == "causal_conv1d") {  // seqlen, channels, width; the input has its width - 1 tokens before
            ggml_tensor* x = input(GGML_TYPE_F32, n[2] - 1 + n[0], n[1]);
            ggml_tensor* y = ggml_ssm_conv(c, x, input(GGML_TYPE_F32, n[2], n[1]));
            return ggml_silu(c, ggml_add(c, y, input(GGML_TYPE_F32, n[1])));
        }
        if (op == "ssd_scan" || op == "selective_scan") {  // seqlen, nheads, headdim, dstate; Mamba-1: headdim 1
            ids_below_ = 1;
            ggml_tensor* state = input(GGML_TYPE_F32, n[3], n[2], n[1]);
            ggml_tensor* x = input(GGML_TYPE_F32, n[2], n[1], n[0]);
            ggml_tensor* dt = input(GGML_TYPE_F32, n[1], n[0]);
            negative_ = input(GGML_TYPE_F32, op == "ssd_scan" ? 1 : n[3], n[1]);
            ggml_tensor* B = input(GGML_TYPE_F32, n[3], 1, n[0]);
            ggml_tensor* C = input(GGML_TYPE_F32, n[3], 1, n[0]);
            return ggml_ssm_scan(c, state, x, dt, negative_, B, C, input(GGML_TYPE_I32, 1), 1);
        }
        if (op == "linear") {  // rows, in, out
            ggml_tensor* weight = input(weights, n[1], n[2]);
            return ggml_mul_mat(c, weight, rows(n));
        }
        return nullptr;
    }

    ggml_context* context_ = nullptr;
    std::vector<ggml_tensor*> inputs_;
    ggml_tensor* negative_ = nullptr;
    int64_t ids_below_ = 1;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) return 2;
    ggml_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    ggml_backend_load_all();
    ggml_backend_t backend = ggml_backend_init_by_name("CPU", nullptr);
    if (!backend) return std::fprintf(stderr, "ggml has no CPU backend\n"), 3;
    const auto set_threads = reinterpret_cast<ggml_backend_set_n_threads_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(ggml_backend_get_device(backend)), "ggml_backend_set_n_threads"));
    set_threads(backend, std::atoi(argv[2]));
    const std::string type = argv[3];
    const ggml_type weights = type == "f16"    ? GGML_TYPE_F16
                              : type == "q8_0" ? GGML_TYPE_Q8_0
                              : type == "q4_0" ? GGML_TYPE_Q4_0
                                               : GGML_TYPE_F32;
    Sizes sizes;
    for (int i = 4; i < argc; ++i) sizes.push_back(std::atoll(argv[i]));

    std::mt19937 random(1);
    std::vector<Set> sets;
    do {
        sets.emplace_back(argv[1], weights, sizes);
        sets.back().fill(backend, &random);
    } while (sets.size() < 16 && sets.size() * sets.back().bytes() < size_t(96) << 20);
    size_t at = 0;
    const auto run = [&](int times) {
        const double start = now_us();
        for (int i = 0; i < times; ++i)
            if (ggml_backend_graph_compute(backend, sets[at++ % sets.size()].graph) != GGML_STATUS_SUCCESS) std::exit(1);
        return (now_us() - start) / times;
    };
    double us = 0;
    for (const double start = now_us(); now_us() - start < 5e5;) us = run(1);
    const int times = int(std::clamp(2e4 / us, 1.0, 4096.0));
    std::vector<double> samples(7);
    for (double& sample : samples) sample = run(times);
    std::sort(samples.begin(), samples.end());
    std::printf("%.2f %.2f\n", samples[3], samples[0]);
}

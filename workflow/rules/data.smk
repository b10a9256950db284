"""Datasets: from the source files to binarized images, shared by all studies.

Needs:  the definitions under `datasets`; the network, hand-placed files or a mirror
Makes:  data/{dataset}.npz   train, validation and test images of 0 and 1
        data/{dataset}.json  their definition and where they come from, with sums
Steps:  download, binarize
"""


rule download:
    """Obtain one source file and check its sum."""
    output:
        sources.RAW_FILE,
    log:
        "<logs>/download/{folder}-{file}.log",
    benchmark:
        "<benchmarks>/download/{folder}-{file}.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        fingerprint=lambda wildcards: sources.find_source_file(
            config, sources.RAW_FILE.format(**wildcards), first=asked_datasets
        ).fingerprint,
    script:
        "../scripts/download.py"


rule binarize:
    """Binarize a dataset and split it into training, validation and test images."""
    input:
        # Their content is compared when the Snakefile is read, not their dates.
        lambda wildcards: ancient(
            sources.input_files(config["datasets"][wildcards.dataset])
        ),
    output:
        images="data/{dataset}.npz",
        manifest="data/{dataset}.json",
    log:
        "<logs>/binarize/{dataset}.log",
    benchmark:
        "<benchmarks>/binarize/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        definition=lambda wildcards: config["datasets"][wildcards.dataset],
    script:
        "../scripts/binarize.py"

"""Datasets: from the source files to binarized images.

Needs:  the definitions under `datasets`; the network, hand-placed files or a mirror
Makes:  data/{dataset}.npz           train, validation and test images of 0 and 1
        results/data/{dataset}.json  where they come from, with sums
Steps:  download, binarize
"""


rule download:
    output:
        sources.RAW_FILE,
    log:
        "logs/download/{folder}-{file}.log",
    benchmark:
        "results/benchmarks/download/{folder}-{file}.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        fingerprint=lambda wildcards: sources.find_source_file(
            config, sources.RAW_FILE.format(**wildcards)
        ).fingerprint,
    script:
        "../scripts/download.py"


rule binarize:
    input:
        lambda wildcards: sources.input_files(config["datasets"][wildcards.dataset]),
    output:
        images=sources.BINARIZED_FILE,
        manifest="results/data/{dataset}.json",
    log:
        "logs/binarize/{dataset}.log",
    benchmark:
        "results/benchmarks/binarize/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        definition=lambda wildcards: config["datasets"][wildcards.dataset],
    script:
        "../scripts/binarize.py"

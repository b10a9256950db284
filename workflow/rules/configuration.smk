"""The effective configuration: config.yaml, overlays and defaults together.

Makes:  results/config.yaml
Steps:  save_config
"""


rule save_config:
    input:
        rules.select.output,  # in a clone, without Snakemake's records, only this input makes it follow the results
    output:
        report(
            "results/config.yaml",
            caption="../report/config.rst",
            category="Configuration",
        ),
    log:
        "logs/save_config.log",
    benchmark:
        "results/benchmarks/save_config.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        config=config,
    script:
        "../scripts/save_config.py"

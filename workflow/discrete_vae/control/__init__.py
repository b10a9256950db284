"""The control: does the scale of the noise or its shape make the difference?"""

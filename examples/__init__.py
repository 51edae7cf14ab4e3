"""Small services that embed Dialogbase. Their tests are run with ours."""

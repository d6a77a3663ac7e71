package config

import "slices"

// SecretFiles are the files that secrets of the configuration were read from.
func (c *Config) SecretFiles() (files []string) {
	for _, s := range c.secrets() {
		if s.file != "" && !slices.Contains(files, s.file) {
			files = append(files, s.file)
		}
	}
	return files
}

func (c *Config) secrets() []Secret {
	secrets := []Secret{c.Central.Token, c.Status.Token}
	for _, camera := range c.Cameras {
		secrets = append(secrets, camera.URL, camera.SubURL)
	}
	for _, d := range c.Destinations() {
		secrets = append(secrets, d.AccessKeyID, d.SecretAccessKey, d.SessionToken)
	}
	return secrets
}

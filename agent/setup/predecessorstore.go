package setup

import "strings"

// storage takes over where recordings were uploaded to.
func (p *Predecessor) storage() error {
	backend, ok := p.get("CLOUD_STORAGE_BACKEND")
	if !ok {
		backend = "AWS" // its default
	}
	switch strings.ToUpper(backend) {
	case "AWS", "S3":
		p.unused("GCP_BUCKET_NAME", "footage goes to AWS only, as CLOUD_STORAGE_BACKEND says")
		return p.aws()
	case "GCP", "GCS":
		p.unusedKeys()
		p.draft.Add("s3")
		return p.google(p.draft.tables["s3"][0])
	case "BOTH":
		if err := p.aws(); err != nil {
			return err
		}
		mirror := p.draft.Add("mirror")
		mirror["name"], mirror["required"] = "gcs", false
		p.note("CLOUD_STORAGE_BACKEND is BOTH: the bucket at Google is a [[mirror]] with required = false, for which local files wait ten minutes; write true to have them wait for as long as it takes")
		return p.google(mirror)
	case "LOCAL":
		p.unusedKeys()
		p.unused("GCP_BUCKET_NAME", "CLOUD_STORAGE_BACKEND is LOCAL")
		p.draft.Set("agent", "storage", "local")
		return nil
	}
	p.draft.Set("agent", "storage", "local")
	p.unusedKeys()
	p.unused("GCP_BUCKET_NAME", "CLOUD_STORAGE_BACKEND is not known")
	p.note("CLOUD_STORAGE_BACKEND is none of AWS, GCP, BOTH, LOCAL: footage stays on this host (agent.storage) until [s3] is written")
	return nil
}

func (p *Predecessor) unused(name, why string) {
	if _, ok := p.get(name); ok {
		p.note("%s is not taken over: %s", name, why)
	}
}

func (p *Predecessor) unusedKeys() {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION_NAME", "AWS_BUCKET_NAME"} {
		p.unused(name, "CLOUD_STORAGE_BACKEND names another place")
	}
}

// aws is [s3], with the predecessor's defaults for bucket and region.
func (p *Predecessor) aws() error {
	bucket, ok := p.get("AWS_BUCKET_NAME")
	if !ok {
		bucket = "cctv-footage-bucket"
		p.note("AWS_BUCKET_NAME is not set: s3.bucket is the predecessor's default, %s", bucket)
	}
	region, ok := p.get("AWS_REGION_NAME")
	if !ok {
		region = "ap-south-1"
		p.note("AWS_REGION_NAME is not set: s3.region is the predecessor's default, %s", region)
	}
	p.draft.Set("s3", "bucket", bucket)
	p.draft.Set("s3", "region", region)
	id, hasID := p.get("AWS_ACCESS_KEY_ID")
	secret, hasSecret := p.get("AWS_SECRET_ACCESS_KEY")
	token, hasToken := p.get("AWS_SESSION_TOKEN")
	if !hasID || !hasSecret {
		p.note("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set: the predecessor then used keys that stand in its source, which are no secret and should be withdrawn; the agent takes those of the environment, of shared files or of the instance's role")
		return nil
	}
	p.draft.Set("s3", "access_key_id", p.draft.Secret("s3-access-key-id", id))
	p.draft.Set("s3", "secret_access_key", p.draft.Secret("s3-secret-access-key", secret))
	if hasToken {
		p.draft.Set("s3", "session_token", p.draft.Secret("s3-session-token", token))
		p.note("AWS_SESSION_TOKEN is taken over, and ends soon: whoever renews it has to write the three files in the directory of secrets anew, the agent reads them again")
	}
	return nil
}

// google fills a destination with the S3-compatible side of Google Cloud Storage.
func (p *Predecessor) google(t map[string]any) error {
	bucket, ok := p.get("GCP_BUCKET_NAME")
	if !ok {
		p.note("GCP_BUCKET_NAME is not set: write the bucket's name before the agent is started")
		bucket = "name-of-the-bucket"
	}
	t["bucket"], t["endpoint"] = bucket, "https://storage.googleapis.com"
	id, secret, err := p.secrets.StoreKeys("AGENT_GCS", "Google Cloud Storage (HMAC)")
	if err != nil {
		return err
	}
	if id != "" {
		t["access_key_id"], t["secret_access_key"] = p.draft.Secret("gcs-access-key-id", id), p.draft.Secret("gcs-secret-access-key", secret)
		return nil
	}
	p.note(`Google Cloud Storage needs HMAC keys, which were not given: make them with "gcloud storage hmac create SERVICE_ACCOUNT_EMAIL", put each into a file that only the agent can read, and write access_key_id = "file:…" and secret_access_key = "file:…" for the destination; until then its uploads fail, and footage waits on the disk`)
	return nil
}

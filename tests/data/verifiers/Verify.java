import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.Date;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import sun.security.util.HostnameChecker;

/**
 * What Java's TLS client says of server certificates: its PKIX trust manager, then its host name check.
 *
 * <p>Lines in and out are those of go/main.go.
 */
class Verify {
    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String answer = "OK";
            try {
                verify(line.split("\t"));
            } catch (Exception refusal) {
                Throwable cause = refusal;
                while (cause.getCause() != null) {
                    cause = cause.getCause();
                }
                answer = cause.toString().replace('\n', ' ');
            }
            System.out.println(answer);
        }
    }

    private static void verify(String[] fields) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        X509Certificate[] anchors = parse(fields[2]);
        for (int i = 0; i < anchors.length; i++) {
            store.setCertificateEntry("anchor " + i, anchors[i]);
        }
        var parameters = new PKIXBuilderParameters(store, new X509CertSelector());
        parameters.setRevocationEnabled(false);
        parameters.setDate(new Date(Long.parseLong(fields[1]) * 1000));
        var factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(new CertPathTrustManagerParameters(parameters));
        X509Certificate[] chain = parse(fields[3]);
        boolean rsa = chain[0].getPublicKey().getAlgorithm().equals("RSA");
        ((X509TrustManager) factory.getTrustManagers()[0])
                .checkServerTrusted(chain, rsa ? "ECDHE_RSA" : "ECDHE_ECDSA");
        HostnameChecker.getInstance(HostnameChecker.TYPE_TLS).match(fields[0], chain[0]);
    }

    private static X509Certificate[] parse(String list) throws Exception {
        var factory = CertificateFactory.getInstance("X.509");
        String[] texts = list.split(",");
        var certificates = new X509Certificate[texts.length];
        for (int i = 0; i < texts.length; i++) {
            var der = new ByteArrayInputStream(Base64.getDecoder().decode(texts[i]));
            certificates[i] = (X509Certificate) factory.generateCertificate(der);
        }
        return certificates;
    }
}

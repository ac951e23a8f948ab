import java.io.IOException;
import java.net.URI;
import javax.net.ssl.HttpsURLConnection;

class Client {
    public static void main(String[] addresses) {
        for (String address : addresses) {
            try {
                ((HttpsURLConnection) URI.create("https://" + address).toURL().openConnection()).getResponseCode();
                System.out.println("trusted");
            } catch (IOException e) {
                System.out.println(rootCause(e).toString().replace('\n', ' '));
            }
        }
    }

    static Throwable rootCause(Throwable e) {
        return e.getCause() == null ? e : rootCause(e.getCause());
    }
}

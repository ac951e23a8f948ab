package metadata

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// listServer is an API server with objects, which it lists in pages.
type listServer struct {
	objects []metav1.PartialObjectMetadata
	limits  []int64
	fails   error
}

func (s *listServer) list(_ context.Context, options metav1.ListOptions) (runtime.Object, error) {
	s.limits = append(s.limits, options.Limit)
	if options.ResourceVersion != "" {
		return nil, errors.New("it would ignore the limit")
	}
	if s.fails != nil && options.Continue != "" {
		return nil, s.fails
	}
	from, _ := strconv.Atoi(options.Continue)
	to := min(len(s.objects), from+int(options.Limit))
	page := &metav1.PartialObjectMetadataList{ListMeta: metav1.ListMeta{ResourceVersion: "7"}}
	page.Items = append(page.Items, s.objects[from:to]...)
	if to < len(s.objects) {
		page.Continue, page.RemainingItemCount = strconv.Itoa(to), new(int64(len(s.objects)-to))
	}
	return page, nil
}

// strip is the function by which the tests strip objects.
func strip(object any) (any, error) {
	meta, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil, errors.New("not metadata")
	}
	meta.ManagedFields, meta.Annotations = nil, nil
	return meta, nil
}

// Lists are read in pages that grow while they are small, and every object is stripped.
func TestInPages(t *testing.T) {
	t.Parallel()
	heavy := strings.Repeat("x", 256<<10)
	for name, tc := range map[string]struct {
		objects int
		note    string
		limits  []int64
	}{
		"none":          {0, "", []int64{8}},
		"one page":      {8, "", []int64{8}},
		"small objects": {1100, "", []int64{8, 16, 32, 64, 128, 256, 500, 500}},
		"large objects": {20, heavy, []int64{8, 4, 2, 4, 2}},
		"huge objects":  {16, strings.Repeat("x", 1200<<10), []int64{8, 4, 2, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &listServer{}
			for i := range tc.objects {
				server.objects = append(server.objects, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
					Name: strconv.Itoa(i), Annotations: map[string]string{"theirs": tc.note}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "theirs"}},
				}})
			}
			got, err := inPages(server.list, strip)(t.Context(), metav1.ListOptions{ResourceVersion: "0", Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.limits, server.limits); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
			list, _ := got.(*metav1.PartialObjectMetadataList)
			if len(list.Items) != tc.objects || list.Continue != "" || list.RemainingItemCount != nil || list.ResourceVersion != "7" {
				t.Errorf("%d objects, continue %q, resource version %q", len(list.Items), list.Continue, list.ResourceVersion)
			}
			for i := range list.Items {
				if object := &list.Items[i]; object.Name != strconv.Itoa(i) || object.ManagedFields != nil || object.Annotations != nil {
					t.Fatalf("object %d is %+v", i, object)
				}
			}
		})
	}
}

var errDenied = errors.New("denied")

// A page that cannot be read fails the list.
func TestInPagesFails(t *testing.T) {
	t.Parallel()
	server := &listServer{objects: make([]metav1.PartialObjectMetadata, 20), fails: errDenied}
	if _, err := inPages(server.list, strip)(t.Context(), metav1.ListOptions{}); !errors.Is(err, errDenied) {
		t.Errorf("error %v", err)
	}
}
